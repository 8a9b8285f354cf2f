// Stands for node:fs/promises, as replaced/fs.ts does for node:fs.
import * as disk from "./fs.ts";

export * from "node:fs/promises";

export function open(path: string, flags: string): Promise<unknown> {
  const handle = attempt(() => disk.openSync(path, flags));
  return handle.then((one) => ({
    writeFile: (data: Buffer) => attempt(() => disk.writeFileSync(one, data)),
    sync: () => attempt(() => disk.fsyncSync(one)),
    close: () => attempt(() => disk.closeSync(one)),
  }));
}

export function rename(from: string, to: string): Promise<void> {
  return attempt(() => disk.renameSync(from, to));
}

export function rm(path: string, options?: { force?: boolean }): Promise<void> {
  return attempt(() => disk.rmSync(path, options));
}

export function statfs(): Promise<unknown> {
  return attempt(() => disk.statfsSync());
}

async function attempt<Result>(work: () => Result): Promise<Result> {
  return work();
}
