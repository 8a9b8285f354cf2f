import { createHash } from "node:crypto";

/** What databases of our own are for: made by the tool, and dropped by it. */
const purposes = ["rehearsal", "drill", "proof", "next", "before"] as const;
export type ScratchPurpose = (typeof purposes)[number];

/** Postgres cuts names off after so many bytes, silently. */
const longestName = 63;

/** "_rehearsal_" and a release's six digits or a few more. */
const longestEnding = 19;

/**
 * The name of a database that the tool makes beside the role's own: "letta_next_000003".
 * @param database the role's own
 * @param release for those of which there may be several
 */
export function scratchName(database: string, purpose: ScratchPurpose, release?: string): string {
  return [stem(database), purpose, ...(release === undefined ? [] : [release])].join("_");
}

/** The name under which the database of before a way back stays: "letta_kept_000003". */
export function keptName(database: string, release: string): string {
  return `${stem(database)}_kept_${release}`;
}

/** Whether the tool may drop a database of this name: its own scratch, never one that is kept. */
export function isScratch(database: string, name: string): boolean {
  const start = `${stem(database)}_`;
  const ending = new RegExp(`^(?:${purposes.join("|")})(?:_\\d{6,8})?$`, "u");
  return name.startsWith(start) && ending.test(name.slice(start.length));
}

/** Two long names that begin alike must not become one. */
function stem(database: string): string {
  const room = longestName - longestEnding;
  if (Buffer.byteLength(database) <= room) return database;
  const digest = createHash("sha256").update(database).digest("hex").slice(0, 8);
  let start = database;
  while (Buffer.byteLength(start) > room - digest.length - 1) start = start.slice(0, -1);
  return `${start}_${digest}`;
}
