import { createHash } from "node:crypto";
import type { Mark } from "./marks.ts";

/** Postgres cuts names off after so many bytes, silently. */
const longestName = 63;

/** "_making_" and an installation's id; a release's six digits or a few more are shorter. */
const longestEnding = 24;

/** Purposes of which every release may have a database of its own. */
const numbered = ["incoming", "snapshot", "retained"];

/**
 * The name that a database gets when it is marked so: "letta_snapshot_000003". It is for people:
 * only the mark says what the database is.
 * @param live the name of the role's own database
 */
export function databaseName(live: string, { purpose, release }: Mark): string {
  if (purpose === "live") return live;
  return [stem(live), purpose, ...(numbered.includes(purpose) ? [release] : [])].join("_");
}

/** The name under which an installation makes a database that is not marked yet. */
export function makingName(live: string, installation: string): string {
  return `${stem(live)}_making_${installation}`;
}

/** The release in the name of a database that some installation made or set aside. */
export function releaseInName(live: string, name: string): string | undefined {
  const start = `${stem(live)}_`;
  if (!name.startsWith(start)) return undefined;
  // The last three are what earlier versions wrote.
  const ending = /^(?:incoming|snapshot|retained)_(\d{6,8})$/u;
  return ending.exec(name.slice(start.length))?.[1];
}

/** Two long names that begin alike must not become one. */
function stem(database: string): string {
  const space = longestName - longestEnding;
  if (Buffer.byteLength(database) <= space) return database;
  const digest = createHash("sha256").update(database).digest("hex").slice(0, 8);
  let start = database;
  while (Buffer.byteLength(start) > space - digest.length - 1) start = start.slice(0, -1);
  return `${start}_${digest}`;
}
