import { createHash } from "node:crypto";
import { type Duplex, Readable } from "node:stream";
import type Docker from "dockerode";
import { Problem } from "../common/problem.ts";
import { duplexOptions } from "./demux.ts";
import type { Engine, Held, NameTaken } from "./engine.ts";
import { keepAlive } from "./keepAlive.ts";

/** Six MiB is the least memory that the engine gives. */
const memoryBytes = 6 * 1024 * 1024;

/**
 * Takes a name on the engine for as long as this process' connection to it lives: a container of
 * that name, which the engine makes once, whose program ends with its input and is removed then.
 * Taken in 0.45 to 1.0 s, given back in 0.06 s (Docker 26.1); `StdinOnce` ends the input within 0.1 s of a `kill -9`.
 * @param labels for others to read
 * @returns undefined where it is just being given back
 */
export async function holdName(
  docker: Docker,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<Held | NameTaken | undefined> {
  const container = await create(docker, name, labels);
  if (container === undefined) return occupant(docker, name);
  try {
    const requested = { stream: true, stdout: true, stderr: true };
    const stream = await duplexOptions((how) => container.attach({ ...how, ...requested }));
    const ended = new Promise<void>((resolve) =>
      stream.once("close", resolve).once("end", resolve),
    );
    const { isAlive, stop } = keepAlive(stream as Duplex, { question: ".\n", answer: "." });
    await container.start();
    if (!(await isAlive())) throw new Error(`${name}: expected its program to answer, it ended`);
    const release = async () => {
      stop();
      (stream as Duplex).end();
      await ended;
    };
    return { isAlive, release };
  } catch (error) {
    // Another run may have removed it as a leftover before it was started.
    if (statusOf(error) === 404) return undefined;
    await container.remove({ force: true });
    throw error;
  }
}

/** @returns undefined where the name is taken */
async function create(
  docker: Docker,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<Docker.Container | undefined> {
  const options: Docker.ContainerCreateOptions = {
    name,
    Image: `${lockImage.repo}:${lockImage.tag}`,
    Entrypoint: [`/${lockProgramPath}`],
    User: "65534:65534",
    Labels: { ...labels },
    OpenStdin: true,
    StdinOnce: true,
    StopSignal: "SIGKILL", // the first process of a container ignores others
    HostConfig: {
      AutoRemove: true,
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Memory: memoryBytes,
      PidsLimit: 1,
      LogConfig: { Type: "none", Config: {} },
    },
  };
  try {
    return await docker.createContainer(options);
  } catch (error) {
    if (statusOf(error) === 409) return undefined;
    if (statusOf(error) !== 404) throw error;
  }
  await importProgram(docker);
  return create(docker, name, labels);
}

async function importProgram(docker: Docker): Promise<void> {
  const { Arch: architecture } = await docker.version();
  const archive = archiveOf(lockProgramPath, lockProgram(architecture));
  const stream = await docker.importImage(Readable.from([archive]), lockImage);
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}

async function occupant(docker: Docker, name: string): Promise<NameTaken | undefined> {
  try {
    const { Id: id, State: state, Config: config } = await docker.getContainer(name).inspect();
    return { id, state: state.Status as NameTaken["state"], labels: config.Labels };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}

/**
 * The only program of the lock's container, for each architecture: it answers every byte with that
 * byte, and ends at the end of its input or after 60 s without a byte. No image with a shell is on
 * an engine before the first deploy, and pulling or building one is what the lock has to cover.
 */
const code: Readonly<Record<string, { readonly machine: number; readonly bytes: string }>> = {
  amd64: {
    machine: 0x3e,
    bytes: [
      "48b80000000001000000", //       movabs $0x100000000, %rax   pollfd { fd 0, POLLIN }
      "50 4889e3 4883ec40", //         push %rax; mov %rsp, %rbx; sub $64, %rsp
      "4889df be01000000", //   again: mov %rbx, %rdi; mov $1, %esi
      "ba60ea0000 b807000000 0f05", // mov $60000, %edx; mov $7, %eax; syscall      poll
      "83f8fc 74e7", //                cmp $-EINTR, %eax; je again
      "83f801 7525", //                cmp $1, %eax; jne out
      "31ff 4889e6 ba40000000", //     xor %edi, %edi; mov %rsp, %rsi; mov $64, %edx
      "31c0 0f05", //                  xor %eax, %eax; syscall                      read
      "85c0 7e13", //                  test %eax, %eax; jle out
      "bf01000000 4889e6 89c2", //     mov $1, %edi; mov %rsp, %rsi; mov %eax, %edx
      "b801000000 0f05 ebbd", //       mov $1, %eax; syscall; jmp again             write
      "31ff b83c000000 0f05", //  out: xor %edi, %edi; mov $60, %eax; syscall       exit
    ].join(""),
  },
  arm64: {
    machine: 0xb7,
    bytes: [
      "2000c0d2 e00f1ff8", //          mov x0, #0x100000000; str x0, [sp, #-16]!   pollfd
      "f3030091 ff0301d1", //          mov x19, sp; sub sp, sp, #64
      "e00313aa 210080d2", //   again: mov x0, x19; mov x1, #1
      "69030058 e97f00a9 e2030091", // ldr x9, seconds; stp x9, xzr, [sp]; mov x2, sp
      "030080d2 040180d2", //          mov x3, #0; mov x4, #8
      "280980d2 010000d4", //          mov x8, #73; svc #0                         ppoll
      "1f100031 c0feff54", //          cmn w0, #EINTR; b.eq again
      "1f040071 c1010054", //          cmp w0, #1; b.ne out
      "000080d2 e1030091 020880d2", // mov x0, #0; mov x1, sp; mov x2, #64
      "e80780d2 010000d4", //          mov x8, #63; svc #0                         read
      "1f000071 ed000054", //          cmp w0, #0; b.le out
      "e20300aa 200080d2 e1030091", // mov x2, x0; mov x0, #1; mov x1, sp
      "080880d2 010000d4 e7ffff17", // mov x8, #64; svc #0; b again                write
      "000080d2 a80b80d2 010000d4", // out: mov x0, #0; mov x8, #93; svc #0        exit
      "3c00000000000000", //  seconds: .quad 60
    ].join(""),
  },
};

/** Where the program is in its image. */
const lockProgramPath = "lock";

/** The image with the program, named after what is in it, on any architecture. */
const lockImage = {
  repo: "letta-stack/lock",
  tag: createHash("sha256").update(JSON.stringify(code)).digest("hex").slice(0, 12),
} as const;

const headersLength = 64 + 56;
const loadAt = 0x400000n;

/**
 * The program as an ELF file with one segment (elf(5)).
 * @param architecture in the engine's words: "amd64"
 * @throws Problem HOST_UNSUPPORTED
 */
export function lockProgram(architecture: string): Buffer {
  const found = code[architecture];
  if (found === undefined) {
    throw new Problem(
      "HOST_UNSUPPORTED",
      `expected an engine on ${Object.keys(code).join(" or ")}, got ${architecture}`,
    );
  }
  const text = Buffer.from(found.bytes.replaceAll(" ", ""), "hex");
  const size = BigInt(headersLength + text.length);
  const file = Buffer.alloc(headersLength);
  file.write("\u007fELF\u0002\u0001\u0001", "latin1"); // 64 bits, little-endian, version 1
  file.writeUInt16LE(2, 16); // an executable
  file.writeUInt16LE(found.machine, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(loadAt + BigInt(headersLength), 24); // entry
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(1, 64); // PT_LOAD
  file.writeUInt32LE(5, 68); // readable, executable
  file.writeBigUInt64LE(loadAt, 80);
  file.writeBigUInt64LE(loadAt, 88);
  file.writeBigUInt64LE(size, 96);
  file.writeBigUInt64LE(size, 104);
  file.writeBigUInt64LE(0x10000n, 112); // pages of 64 KiB, as some arm64 kernels have
  return Buffer.concat([file, text]);
}

/** A tar archive (POSIX ustar) with this one executable in it. */
export function archiveOf(name: string, program: Buffer): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0");
  header.write(name, 0);
  header.write(`${octal(0o755, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100);
  header.write(`${octal(program.length, 11)}\0${octal(0, 11)}\0`, 124);
  header.write("        0", 148); // the checksum counts as blanks; type: a file
  header.write("ustar\u000000", 257, "latin1");
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148);
  const padding = Buffer.alloc(-program.length & 511);
  return Buffer.concat([header, program, padding, Buffer.alloc(1024)]);
}

/**
 * The same engine, which nothing is asked of unless something holds: every call asks it first.
 * @param check throws where it holds no more
 */
export function fenced(engine: Engine, check: () => Promise<void>): Engine {
  return new Proxy(engine, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...given: unknown[]) => {
        await check();
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
}
