import { createReadStream, createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Parser, type ReadEntry } from "tar";
import { Problem } from "../common/problem.ts";

/** Where one version for one platform is downloaded. */
export interface CollectorRelease {
  /** The archive's own name, as its checksum is listed under. */
  readonly archive: string;
  readonly url: string;
  /** Lists of checksums, the likelier address first: older releases had one list for all. */
  readonly checksums: readonly string[];
}

/** The one file of the archive that is wanted, and the name it is installed under. */
export const collectorBinary = "otelcol-contrib";

/**
 * The addresses of a release, named as open-telemetry/opentelemetry-collector-releases names
 * its files.
 * @param base what OTEL_RELEASE_URL says
 */
export function collectorRelease(
  base: string,
  version: string,
  { os, arch }: Platform,
): CollectorRelease {
  const folder = `${base.replace(/\/+$/, "")}/v${version}`;
  const archive = `${collectorBinary}_${version}_${os}_${arch}.tar.gz`;
  const project = "opentelemetry-collector-releases";
  return {
    archive,
    url: `${folder}/${archive}`,
    checksums: [
      `${folder}/${project}_${collectorBinary}_checksums.txt`,
      `${folder}/${project}_checksums.txt`,
    ],
  };
}

/** What a released binary of the collector runs on, in the words of its releases. */
export interface Platform {
  readonly os: "linux" | "darwin";
  readonly arch: "amd64" | "arm64";
}

const systems: Readonly<Record<string, Platform["os"]>> = { linux: "linux", darwin: "darwin" };
const machines: Readonly<Record<string, Platform["arch"]>> = { x64: "amd64", arm64: "arm64" };

/**
 * This machine as the collector's releases call it.
 * @param system and machine as in process.platform and process.arch
 * @throws Problem HOST_UNSUPPORTED, for Windows with the ways there are
 */
export function collectorPlatform(system: string, machine: string): Platform {
  const [os, arch] = [systems[system], machines[machine]];
  if (os !== undefined && arch !== undefined) return { os, arch };
  const expected = "expected Linux or macOS on amd64 or arm64 for a collector without Docker";
  if (system === "win32") {
    throw new Problem("HOST_UNSUPPORTED", `${expected}, got Windows`, {
      details: ["WSL 2 is Linux: the same command works there", "Docker runs it in a container"],
      next: "npm run up:dev   (with Docker), or wsl --install",
    });
  }
  throw new Problem("HOST_UNSUPPORTED", `${expected}, got ${system} on ${machine}`, {
    next: "npm run up:dev   (with Docker)",
  });
}

/**
 * The SHA-256 that a list of checksums gives a file, as sha256sum writes such lists.
 * @returns 64 hexadecimal digits; undefined where the list has no such file, or has two
 */
export function listedChecksum(list: string, file: string): string | undefined {
  const found = list.split(/\r?\n/).flatMap((line) => {
    const [, digest = "", name] = /^([0-9a-fA-F]{64})\s+\*?(\S+)$/.exec(line.trim()) ?? [];
    return name === file ? [digest.toLowerCase()] : [];
  });
  return found.length === 1 ? found[0] : undefined;
}

/** How many bytes of a program tell what it runs on. */
export const headerLength = 20;

const elfMachines: Readonly<Record<number, string>> = { 0x3e: "amd64", 0xb7: "arm64" };
const machMachines: Readonly<Record<number, string>> = {
  0x0100_0007: "amd64",
  0x0100_000c: "arm64",
};

/**
 * What a program runs on, by its first bytes: ELF (elf(5): machine at byte 18) or 64-bit
 * Mach-O (mach-o/loader.h: CPU type at byte 4), both little-endian.
 * @param header its first 20 bytes
 * @returns such as "linux amd64", or what it is instead, for the refusal
 */
export function binaryPlatform(header: Buffer): string {
  if (header.length < headerLength) return `a file of ${header.length} bytes`;
  const magic = header.readUInt32BE(0);
  if (magic === 0x7f45_4c46) {
    const is64LittleEndian = header[4] === 2 && header[5] === 1;
    const isProgram = [2, 3].includes(header.readUInt16LE(16));
    const machine = elfMachines[header.readUInt16LE(18)];
    if (is64LittleEndian && isProgram && machine !== undefined) return `linux ${machine}`;
    return "an ELF file for another machine";
  }
  if (magic === 0xcffa_edfe) {
    const machine = machMachines[header.readUInt32LE(4)];
    return machine === undefined ? "a Mach-O file for another machine" : `darwin ${machine}`;
  }
  return header.toString("latin1", 0, 2) === "#!" ? "a script" : "no program";
}

/**
 * Writes one file of a tar archive to a path of ours. Names in the archive are only compared,
 * never used as paths, so none of them can lead elsewhere; links and a second file of the name
 * are refused, and so is an archive that ends too early.
 * @param archive a path, or what streams it; compressed by gzip or not
 * @param name the file's whole name in the archive
 * @param limit the most bytes that file may have
 * @throws Problem IMAGE_UNAVAILABLE with what is wrong with the archive
 */
export async function extractBinary(
  archive: string | Readable,
  name: string,
  path: string,
  limit: number,
): Promise<void> {
  const parser = new Parser({ strict: true });
  let found = 0;
  let writing: Promise<void> | undefined;
  const take = async (entry: ReadEntry) => {
    const limited = async function* (chunks: AsyncIterable<Buffer>) {
      let bytes = 0;
      for await (const chunk of chunks) {
        bytes += chunk.length;
        if (bytes > limit) throw unusable(`${name} has more than ${limit} bytes`);
        yield chunk;
      }
      if (bytes !== entry.size) throw unusable(`${name} ends too early`);
    };
    const file = createWriteStream(path, { flags: "wx", mode: 0o600 });
    await pipeline(entry as AsyncIterable<Buffer>, limited, file);
  };
  const failed = Promise.withResolvers<never>();
  parser.on("entry", (entry: ReadEntry) => {
    if (entry.path.replace(/^\.\//, "") !== name) return void entry.resume();
    found += 1;
    if (found > 1) return failed.reject(unusable(`it has two files ${name}`));
    if (entry.type !== "File") return failed.reject(unusable(`${name} is a ${entry.type}`));
    writing = take(entry);
    writing.catch(failed.reject);
  });
  const source = typeof archive === "string" ? createReadStream(archive) : archive;
  const read = new Promise<void>((resolve, reject) => {
    source.once("error", reject);
    parser.once("error", reject).once("end", () => resolve());
    source.pipe(parser as unknown as NodeJS.WritableStream);
  });
  failed.promise.catch(() => undefined);
  try {
    await Promise.race([read, failed.promise]);
    await writing;
  } catch (error) {
    if (error instanceof Problem || (error as NodeJS.ErrnoException).syscall) throw error;
    throw unusable((error as Error).message);
  } finally {
    source.destroy();
  }
  if (found === 0) throw unusable(`it has no ${name}`);
}

function unusable(why: string): Problem {
  return new Problem("IMAGE_UNAVAILABLE", `the archive is not usable: ${why}`, {
    next: "the same command again, or set OTEL_RELEASE_URL to another address",
  });
}
