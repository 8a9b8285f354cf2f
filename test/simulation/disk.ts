import type { Random } from "./random.ts";

/** A file, as programs see it and as the platters have it. */
export interface DiskFile {
  readonly kind: "file";
  data: Buffer;
  /** What is left of it when the power goes; undefined where it was never synced. */
  durable: Buffer | undefined;
  /** Where `data` lies, with space behind it that no other file has. */
  space?: Buffer;
}

/** Adds to a file's end; what was read of it before stays as it was. */
export function append(file: DiskFile, more: Buffer): void {
  const { data } = file;
  const length = data.length + more.length;
  if (data.length === 0) {
    file.data = more;
    return;
  }
  const hasSpace = file.space !== undefined && data.buffer === file.space.buffer;
  if (!hasSpace || file.space!.length < length) {
    file.space = Buffer.from(new ArrayBuffer(2 * length));
    data.copy(file.space);
  }
  more.copy(file.space!, data.length);
  file.data = file.space!.subarray(0, length);
}

export interface DiskFolder {
  readonly kind: "folder";
  entries: Map<string, DiskNode>;
  durable: Map<string, DiskNode>;
  /** Changes of names since the last sync, in order: as a journaling file system keeps them. */
  pending: ((names: Map<string, DiskNode>) => void)[];
}

export type DiskNode = DiskFile | DiskFolder;

/**
 * A file system in memory that forgets, when the power goes, what was not synced: of each
 * folder a tail of its changes, of each file what was written after its sync.
 */
export class Disk {
  root: DiskFolder = folder();
  /** A mutant: its syncs do nothing. */
  readonly forgetsSync: boolean;

  constructor(forgetsSync = false) {
    this.forgetsSync = forgetsSync;
  }

  /** @returns undefined where there is nothing */
  find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.root;
    for (const name of names(path)) {
      if (node?.kind !== "folder") return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  /** @throws Error ENOENT, ENOTDIR */
  folderAt(path: string): DiskFolder {
    const node = this.find(path);
    if (node === undefined) throw fault("ENOENT", path);
    if (node.kind === "file") throw fault("ENOTDIR", path);
    return node;
  }

  /** @throws Error ENOENT, EISDIR */
  fileAt(path: string): DiskFile {
    const node = this.find(path);
    if (node === undefined) throw fault("ENOENT", path);
    if (node.kind === "folder") throw fault("EISDIR", path);
    return node;
  }

  /** Puts a name into its folder, or takes it away. */
  link(path: string, node: DiskNode | undefined): void {
    const [parent, name] = parentAndName(path);
    change(this.folderAt(parent), (entries) => {
      if (node === undefined) entries.delete(name);
      else entries.set(name, node);
    });
  }

  /** Both names in one change, as a rename within a folder is. */
  rename(from: string, to: string): void {
    const node = this.find(from);
    if (node === undefined) throw fault("ENOENT", from);
    const [parent, before] = parentAndName(from);
    const [other, after] = parentAndName(to);
    if (parent !== other) throw new Error(`no rename between folders here: ${from} ${to}`);
    const there = this.find(to);
    if (there?.kind === "folder" && there.entries.size > 0) throw fault("ENOTEMPTY", to);
    change(this.folderAt(parent), (entries) => {
      entries.delete(before);
      entries.set(after, node);
    });
  }

  sync(node: DiskNode): void {
    if (this.forgetsSync) return;
    if (node.kind === "file") node.durable = node.data;
    else [node.durable, node.pending] = [new Map(node.entries), []];
  }

  /** What the platters have becomes what there is. */
  losePower(random: Random): void {
    lose(this.root, random);
  }

  /** The same content, all of it durable. */
  copy(forgetsSync = this.forgetsSync): Disk {
    const copy = new Disk(forgetsSync);
    copy.root = copied(this.root);
    return copy;
  }
}

export function folder(): DiskFolder {
  return { kind: "folder", entries: new Map(), durable: new Map(), pending: [] };
}

/** An error as the kernel gives it. */
export function fault(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code, path });
}

const split = new Map<string, readonly string[]>();

/** The names a path goes by. */
export function names(path: string): readonly string[] {
  let found = split.get(path);
  if (found === undefined) {
    if (split.size > 5000) split.clear();
    split.set(path, (found = path.split("/").filter(Boolean)));
  }
  return found;
}

function parentAndName(path: string): [string, string] {
  const all = names(path);
  return [`/${all.slice(0, -1).join("/")}`, all.at(-1) ?? ""];
}

function change(where: DiskFolder, work: (entries: Map<string, DiskNode>) => void): void {
  work(where.entries);
  where.pending.push(work);
}

function lose(node: DiskNode, random: Random): void {
  if (node.kind === "file") {
    if (node.durable === node.data) return;
    const retained = node.durable ?? Buffer.alloc(0);
    // Of what came after, as much as happened to be written back.
    const grown = node.data.subarray(0, retained.length).equals(retained) ? node.data : retained;
    node.data = grown.subarray(
      0,
      retained.length + random.below(grown.length - retained.length + 1),
    );
    delete node.space; // what was lost may still be read by someone
    node.durable = node.data;
    return;
  }
  const left = new Map(node.durable);
  for (const work of node.pending.slice(0, random.below(node.pending.length + 1))) work(left);
  [node.entries, node.durable, node.pending] = [left, new Map(left), []];
  for (const one of left.values()) lose(one, random);
}

function copied(node: DiskFolder): DiskFolder {
  const entries = new Map<string, DiskNode>();
  for (const [name, one] of node.entries) {
    entries.set(
      name,
      one.kind === "folder" ? copied(one) : { kind: "file", data: one.data, durable: one.data },
    );
  }
  return { kind: "folder", entries, durable: new Map(entries), pending: [] };
}
