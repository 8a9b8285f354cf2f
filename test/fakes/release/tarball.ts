import { gzipSync } from "node:zlib";
import { Header } from "tar";

export interface Entry {
  readonly path: string;
  readonly content?: Buffer;
  readonly type?: "File" | "SymbolicLink" | "Link" | "Directory";
  readonly linkpath?: string;
}

const block = 512;

/** A tar archive with exactly these entries, such as no well-meaning program would write. */
export function tarball(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ path, content = Buffer.alloc(0), type = "File", linkpath }) => {
    const header = Buffer.alloc(block);
    const size = content.length;
    new Header({ path, size, type, mode: 0o755, ...(linkpath && { linkpath }) }).encode(header);
    return [header, content, Buffer.alloc((block - (size % block)) % block)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

/** The same as releases bring it. */
export function gzipped(entries: readonly Entry[]): Buffer {
  return gzipSync(tarball(entries));
}
