import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { writeFile } from "./writeFile.ts";

const schema = v.object({
  place: v.string(),
  backup: v.string(),
  snapshot: v.string(),
  at: v.pipe(v.string(), v.isoTimestamp()),
  added: v.number(),
});

/** The last backup that was stored off the machine, and read back from there. */
export type Offsite = v.InferOutput<typeof schema>;

const pathOf = (directory: string) => join(directory, "offsite.json");

/** @returns undefined where none was stored, or the note of it is damaged */
export function readOffsite(directory: string): Offsite | undefined {
  if (!existsSync(pathOf(directory))) return undefined;
  const text = readFileSync(pathOf(directory), "utf8");
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  return read.success ? read.output : undefined;
}

/** Notes a backup that was stored off the machine and read back. */
export function keepOffsite(directory: string, offsite: Offsite): void {
  writeFile(pathOf(directory), `${JSON.stringify(offsite, null, 2)}\n`);
}
