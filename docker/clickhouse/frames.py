"""The compressed frames of ClickHouse's native protocol, which bodies with compress=1 and
decompress=1 are made of: a checksum of all that follows it (16 bytes, CityHash128 as of 1.0.2),
the method (1 byte), the size of the frame without its checksum, the size of what is in it
(4 bytes each, the lowest first), and the data."""

import struct

import lz4.block
from clickhouse_cityhash.cityhash import CityHash128

NONE, LZ4, ZSTD = 0x02, 0x82, 0x90
CHECKSUM, HEADER = struct.Struct("<QQ"), struct.Struct("<BII")
BLOCK = 1 << 20  # of an answer, in bytes: the server's own default
LARGEST = 1 << 30  # the server's own limit, too


def pack(answer):
    """@returns the frames, none for an empty answer"""
    frames = bytearray()
    for start in range(0, len(answer), BLOCK):
        block = answer[start : start + BLOCK]
        data = lz4.block.compress(block, store_size=False)
        frame = HEADER.pack(LZ4, HEADER.size + len(data), len(block)) + data
        frames += checksum(frame) + frame
    return bytes(frames)


def unpack(body, zstd):
    """
    @param zstd undoes that method
    @raises ValueError where the body is not made of whole frames
    """
    blocks, rest = [], memoryview(body)
    while rest:
        if len(rest) < CHECKSUM.size + HEADER.size:
            raise ValueError("a frame is cut off")
        sent, rest = rest[: CHECKSUM.size], rest[CHECKSUM.size :]
        method, length, size = HEADER.unpack_from(rest)
        if not HEADER.size <= length <= len(rest) or size > LARGEST:
            raise ValueError("a frame has a size that cannot be")
        frame, rest = bytes(rest[:length]), rest[length:]
        if checksum(frame) != sent:
            raise ValueError("a frame's checksum is wrong")
        data = frame[HEADER.size :]
        if method == LZ4:
            try:
                data = lz4.block.decompress(data, uncompressed_size=size)
            except lz4.block.LZ4BlockError as error:
                raise ValueError(f"a frame is not LZ4: {error}") from error
        elif method == ZSTD:
            data = zstd(data)
        elif method != NONE:
            raise ValueError(f"a frame has method {method}")
        if len(data) != size:
            raise ValueError("a frame holds less or more than it says")
        blocks.append(data)
    return b"".join(blocks)


def checksum(frame):
    number = CityHash128(frame)
    return CHECKSUM.pack(number >> 64, number & 0xFFFF_FFFF_FFFF_FFFF)
