import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { writeFile } from "./writeFile.ts";

/** What a state directory did not make and has taken over, by --adopt-state. */
export interface Adopted {
  /** Ids of the installations that made it. */
  readonly installations: readonly string[];
  /** The highest release that was found then: ids continue above it. */
  readonly release: string;
  /** Whether the run under way was asked to adopt what it finds. */
  readonly isAsked: boolean;
}

const schema = v.object({
  installations: v.array(v.string()),
  release: v.pipe(v.string(), v.regex(/^\d{6,}$/)),
  isAsked: v.boolean(),
});

const nothing: Adopted = { installations: [], release: "000000", isAsked: false };
const pathOf = (directory: string) => join(directory, "adopted.json");

/** What was adopted; nothing where the file is missing or damaged: then it is asked for again. */
export function readAdopted(directory: string): Adopted {
  if (!existsSync(pathOf(directory))) return nothing;
  const text = readFileSync(pathOf(directory), "utf8");
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  return read.success ? read.output : nothing;
}

/** Keeps what was adopted; writes nothing where that is so already. */
export function keepAdopted(directory: string, change: Partial<Adopted>): void {
  const before = readAdopted(directory);
  const after = { ...before, ...change };
  if (JSON.stringify(after) === JSON.stringify(before)) return;
  writeFile(pathOf(directory), `${JSON.stringify(after, null, 2)}\n`);
}
