/** A value of MessagePack, as far as Datadog's agent writes it. */
type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Buffer
  | Value[]
  | { [key: string]: Value };

/**
 * Takes MessagePack apart: what the statistics of traces travel in. Extensions and times are
 * refused, as nothing here writes them.
 * @throws Error with the byte that is not known
 */
export function readMsgpack(bytes: Buffer): Value {
  let at = 0;
  const take = (length: number) => bytes.subarray(at, (at += length));
  const unsigned = (length: 1 | 2 | 4) => take(length).readUIntBE(0, length);
  const list = (length: number) => Array.from({ length }, read);
  const map = (length: number) =>
    Object.fromEntries(Array.from({ length }, () => [String(read()), read()]));
  function read(): Value {
    const kind = unsigned(1);
    if (kind < 0x80) return kind;
    if (kind < 0x90) return map(kind & 15);
    if (kind < 0xa0) return list(kind & 15);
    if (kind < 0xc0) return take(kind & 31).toString("utf8");
    if (kind >= 0xe0) return kind - 256;
    switch (kind) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return kind === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return take(unsigned((1 << (kind - 0xc4)) as 1 | 2 | 4));
      case 0xca:
        return take(4).readFloatBE();
      case 0xcb:
        return take(8).readDoubleBE();
      case 0xcc:
      case 0xcd:
      case 0xce:
        return unsigned((1 << (kind - 0xcc)) as 1 | 2 | 4);
      case 0xcf:
        return take(8).readBigUInt64BE();
      case 0xd0:
      case 0xd1:
      case 0xd2: {
        const length = 1 << (kind - 0xd0);
        return take(length).readIntBE(0, length);
      }
      case 0xd3:
        return take(8).readBigInt64BE();
      case 0xd9:
      case 0xda:
      case 0xdb:
        return take(unsigned((1 << (kind - 0xd9)) as 1 | 2 | 4)).toString("utf8");
      case 0xdc:
      case 0xdd:
        return list(unsigned(kind === 0xdc ? 2 : 4));
      case 0xde:
      case 0xdf:
        return map(unsigned(kind === 0xde ? 2 : 4));
      default:
        throw new Error(`byte ${at - 1}: expected MessagePack, got 0x${kind.toString(16)}`);
    }
  }
  return read();
}
