/** What a program is marked as running on, for the checks of its header. */
export type Machine = "amd64" | "arm64";

const loaded = 0x40_0000n;
const codeStart = 0x78;

/**
 * Stands for a collector's binary: an ELF program of some hundred bytes that creates a file and
 * prints a line, by system calls of Linux, so that a test sees whether it was ever executed.
 * Tried on amd64; the code for arm64 is as the architecture's manual says.
 * @param mark the file it creates
 */
export function fakeProgram(says: string, mark: string, machine: Machine): Buffer {
  const code = machine === "amd64" ? amd64 : arm64;
  const line = Buffer.from(`${says}\n`);
  const path = Buffer.from(`${mark}\0`);
  const size = code(0, 0, line.length).length;
  const body = Buffer.concat([code(size, size + path.length, line.length), path, line]);
  const header = Buffer.alloc(codeStart);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(machine === "amd64" ? 0x3e : 0xb7, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(loaded + BigInt(codeStart), 24);
  header.writeBigUInt64LE(64n, 32); // its one program header follows
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // to be loaded
  header.writeUInt32LE(5, 68); // to be read and executed
  header.writeBigUInt64LE(loaded, 80);
  header.writeBigUInt64LE(loaded, 88);
  header.writeBigUInt64LE(BigInt(codeStart + body.length), 96);
  header.writeBigUInt64LE(BigInt(codeStart + body.length), 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return Buffer.concat([header, body]);
}

type Assemble = (path: number, line: number, length: number) => Buffer;

/** openat(AT_FDCWD, path, O_WRONLY|O_CREAT, 0600); write(1, line, length); exit(0) */
const amd64: Assemble = (path, line, length) => {
  const code: number[] = [];
  const number = (value: number) => [
    value & 255,
    (value >> 8) & 255,
    (value >> 16) & 255,
    value >>> 24,
  ];
  const load = (target: number) => code.push(0x48, 0x8d, 0x35, ...number(target - code.length - 7));
  const call = () => code.push(0x0f, 0x05);
  code.push(0xb8, ...number(257), 0xbf, ...number(-100));
  load(path);
  code.push(0xba, ...number(0x41), 0x41, 0xba, ...number(0o600));
  call();
  code.push(0xb8, ...number(1), 0xbf, ...number(1));
  load(line);
  code.push(0xba, ...number(length));
  call();
  code.push(0xb8, ...number(60), 0x31, 0xff);
  call();
  return Buffer.from(code);
};

const arm64: Assemble = (path, line, length) => {
  const code: number[] = [];
  const move = (register: number, value: number) =>
    code.push((0xd2800000 | (value << 5) | register) >>> 0);
  const load = (target: number) => {
    const away = target - code.length * 4;
    code.push((0x10000000 | ((away & 3) << 29) | ((away >> 2) << 5) | 1) >>> 0);
  };
  const call = (which: number) => {
    move(8, which);
    code.push(0xd4000001);
  };
  code.push((0x92800000 | (99 << 5)) >>> 0);
  load(path);
  move(2, 0x41);
  move(3, 0o600);
  call(56);
  move(0, 1);
  load(line);
  move(2, length);
  call(64);
  move(0, 0);
  call(93);
  const bytes = Buffer.alloc(code.length * 4);
  code.forEach((word, at) => bytes.writeUInt32LE(word, at * 4));
  return bytes;
};
