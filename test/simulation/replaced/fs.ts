// Stands for node:fs: paths below /simulated are on the world's disk, all others are the
// repository's own files, which no run changes and which are read once.
import * as real from "node:fs";
import { Readable } from "node:stream";
import { append, fault, folder, names, type DiskFile, type DiskNode } from "../disk.ts";
import { cluster } from "../machine.ts";
import { standsFor } from "../standsFor.ts";
import { world } from "../world.ts";

export * from "node:fs";

interface Open {
  readonly node: DiskNode;
  readonly path: string;
}

const simulated = (path: unknown): path is string =>
  typeof path === "string" && (path === "/simulated" || path.startsWith("/simulated/"));
const opened = new Map<number, Open>();
const firstHandle = 1_000_000;
let nextHandle = firstHandle;
const held = (handle: unknown): Open => opened.get(handle as number)!;
const look = <Result>(work: () => Result): Result => world().look(work);
const act = <Result>(name: string, work: () => Result): Result => world().effectNow(name, work);
const short = (path: string) => path.slice("/simulated".length);

const texts = new Map<string, Buffer>();
const present = new Map<string, boolean>();
const listings = new Map<string, unknown>();
const stats = new Map<string, unknown>();

function retained<Value>(known: Map<string, Value>, path: string, read: () => Value): Value {
  if (!known.has(path)) known.set(path, read());
  return known.get(path)!;
}

export function existsSync(path: string): boolean {
  if (simulated(path)) return look(() => world().disk.find(path) !== undefined);
  return retained(present, path, () => real.existsSync(standsFor(path)));
}

export function readFileSync(path: string | number, options?: unknown): string | Buffer {
  const encoding =
    typeof options === "string"
      ? options
      : (options as { encoding?: string } | undefined)?.encoding;
  const tell = (data: Buffer) => (encoding === undefined ? data : textOf(data));
  if (simulated(path)) return look(() => tell(world().disk.fileAt(path).data));
  if (typeof path === "number") return tell(real.readFileSync(path));
  return tell(retained(texts, path, () => real.readFileSync(standsFor(path))));
}

const decoded = new WeakMap<Buffer, string>();

/** A file's bytes are never changed in their place: the same ones are the same text. */
function textOf(data: Buffer): string {
  let text = decoded.get(data);
  if (text === undefined) decoded.set(data, (text = data.toString("utf8")));
  return text;
}

export function openSync(path: string, flags = "r", mode?: number): number {
  if (!simulated(path)) return real.openSync(standsFor(path), flags, mode);
  const { disk } = world();
  const node =
    flags === "r" || (flags.startsWith("a") && disk.find(path) !== undefined)
      ? look(() => disk.find(path))
      : act(`open ${short(path)}`, () => made(path, flags));
  if (node === undefined) throw fault("ENOENT", path);
  opened.set((nextHandle += 1), { node, path });
  return nextHandle;
}

function made(path: string, flags: string): DiskFile {
  const { disk } = world();
  const there = disk.find(path);
  if (there?.kind === "folder") throw fault("EISDIR", path);
  if (there !== undefined && flags.includes("x")) throw fault("EEXIST", path);
  if (there !== undefined) {
    if (flags.startsWith("w")) there.data = Buffer.alloc(0);
    return there;
  }
  const node: DiskFile = { kind: "file", data: Buffer.alloc(0), durable: undefined };
  disk.link(path, node);
  return node;
}

export function closeSync(handle: number): void {
  if (!opened.delete(handle) && handle < firstHandle) real.closeSync(handle);
}

export function fsyncSync(handle: number): void {
  const { node, path } = held(handle);
  act(`fsync ${short(path)}`, () => world().disk.sync(node));
}

export function fstatSync(handle: number): unknown {
  if (handle < firstHandle) return real.fstatSync(handle);
  const { node } = held(handle);
  return { size: node.kind === "file" ? node.data.length : 0 };
}

export function readSync(
  handle: number,
  into: Buffer,
  offset: number,
  length: number,
  from: number,
): number {
  if (handle < firstHandle) return real.readSync(handle, into, offset, length, from);
  const { node } = held(handle);
  return node.kind === "file" ? node.data.copy(into, offset, from, from + length) : 0;
}

export function writeFileSync(target: string | number, text: string | Buffer): void {
  const path = typeof target === "number" ? held(target).path : target;
  const { random } = world();
  const data = Buffer.from(text as string);
  const write = (part: Buffer) => {
    const node = typeof target === "number" ? (held(target).node as DiskFile) : made(path, "w");
    append(node, part);
  };
  try {
    act(`write ${short(path)}`, () => write(data));
  } catch (error) {
    // A write that is interrupted has come as far as it has come.
    if (world().process()?.dead !== true || random.chance(0.5)) throw error;
    write(data.subarray(0, random.below(data.length)));
    throw error;
  }
}

export function renameSync(from: string, to: string): void {
  if (to.endsWith("/release.json")) assertVerified(from, to);
  act(`rename ${short(to)}`, () => world().disk.rename(from, to));
}

/**
 * A release that comes to be good was verified by the process that says so, just as it runs; where the
 * server failed already before, what fails in the same way afterwards is reported instead.
 */
function assertVerified(from: string, to: string): void {
  const { disk } = world();
  const isGood = (path: string) => {
    const node = disk.find(path);
    return node?.kind === "file" && node.data.includes('"outcome": "good"');
  };
  const node = disk.find(from);
  if (node?.kind === "file" && node.data.includes('"before": [')) return;
  if (!isGood(from) || isGood(to) || world().process()?.verified === cluster().serving) return;
  world().violate(`truth: ${short(to)} says good, and no one has verified it`);
}

export function rmSync(path: string, options: { force?: boolean } = {}): void {
  const there = look(() => world().disk.find(path));
  if (there === undefined) {
    if (options.force) return;
    throw fault("ENOENT", path);
  }
  act(`rm ${short(path)}`, () => world().disk.link(path, undefined));
}

export function mkdirSync(path: string, options: { recursive?: boolean } = {}): string | undefined {
  let first: string | undefined;
  const all = names(path);
  for (let depth = options.recursive ? 1 : all.length; depth <= all.length; depth += 1) {
    const part = `/${all.slice(0, depth).join("/")}`;
    const there = look(() => world().disk.find(part));
    if (there?.kind === "folder" && options.recursive) continue;
    if (there !== undefined) throw fault("EEXIST", part);
    act(`mkdir ${short(part)}`, () => world().disk.link(part, folder()));
    first ??= part;
  }
  return first;
}

export function readdirSync(
  path: string,
  options: { recursive?: boolean; withFileTypes?: boolean } = {},
): unknown {
  if (!simulated(path))
    return retained(listings, path, () =>
      real.readdirSync(path, options as { recursive: boolean }),
    );
  const listed = look(() => list(path, options.recursive === true));
  return options.withFileTypes ? listed : listed.map((one) => one.relative);
}

function list(path: string, recursive: boolean, before = ""): Entry[] {
  const { entries } = world().disk.folderAt(path);
  return [...entries].flatMap(([name, node]) => {
    const entry: Entry = {
      name,
      relative: before + name,
      parentPath: path,
      isDirectory: () => node.kind === "folder",
      isFile: () => node.kind === "file",
    };
    const below = recursive && node.kind === "folder";
    return [entry, ...(below ? list(`${path}/${name}`, true, `${before}${name}/`) : [])];
  });
}

interface Entry {
  readonly name: string;
  readonly relative: string;
  readonly parentPath: string;
  readonly isDirectory: () => boolean;
  readonly isFile: () => boolean;
}

const uid = process.getuid?.();

function stat(path: string) {
  const node = look(() => world().disk.find(path));
  if (node === undefined) throw fault("ENOENT", path);
  return {
    size: node.kind === "file" ? node.data.length : 0,
    uid,
    mode: node.kind === "folder" ? 0o40700 : 0o100600,
    isDirectory: () => node.kind === "folder",
    isFile: () => node.kind === "file",
    isSymbolicLink: () => false,
  };
}

export function statSync(path: string, options?: unknown): unknown {
  const isThere = !simulated(path) || look(() => world().disk.find(path)) !== undefined;
  if (!isThere && (options as { throwIfNoEntry?: boolean } | undefined)?.throwIfNoEntry === false) {
    return undefined;
  }
  return simulated(path)
    ? stat(path)
    : retained(stats, path, () => real.statSync(path, options as object));
}

export function lstatSync(path: string): unknown {
  return simulated(path) ? stat(path) : real.lstatSync(path);
}

export function chmodSync(path: string, mode: number): void {
  if (!simulated(path)) real.chmodSync(path, mode);
}

export function realpathSync(path: string): string {
  return simulated(path) ? path : real.realpathSync(path);
}

export function statfsSync(): { bavail: number; bsize: number } {
  return { bavail: 1_000_000_000, bsize: 4096 };
}

export function createReadStream(path: string): Readable {
  if (!simulated(path)) return real.createReadStream(path);
  return Readable.from([look(() => world().disk.fileAt(path).data)]);
}
