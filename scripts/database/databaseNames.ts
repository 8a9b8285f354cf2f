import { createHash } from "node:crypto";
import { askRows } from "./askRows.ts";
import { quoteName, quoteText } from "./psqlClient.ts";
import { type DatabaseServer, maintenance } from "./sql.ts";

/** Postgres cuts names off after so many bytes, silently. */
const longestName = 63;

/** "_making_" and an installation's id; a release's six digits or a few more are shorter. */
const longestEnding = 24;

/** Purposes of which every release may have a database of its own. */
const numbered = ["incoming", "snapshot", "retained"];

/** What versions before 0.2.0 called them: volumes still have databases of these names. */
export const earlierPurposes: readonly string[] = ["next", "before", "kept"];

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
  const ending = new RegExp(`^(?:${[...numbered, ...earlierPurposes].join("|")})_(\\d{6,8})$`, "u");
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

/** What a database that the tool made, or set aside, is for. */
export const purposes = [
  "live",
  "rehearsal",
  "verification",
  "incoming",
  "snapshot",
  "retained",
] as const;
export type Purpose = (typeof purposes)[number];

/**
 * Who made a database, and for what. It is the database's comment in the server's shared catalogue,
 * which stays with the database when it is renamed. A name is no evidence: anyone can give it.
 */
export interface Mark {
  /** The installation's id, see installationId. */
  readonly installation: string;
  /** The random nonce of the run that made it or set it aside. */
  readonly run: string;
  readonly purpose: Purpose;
  /** The release that the run was for. */
  readonly release: string;
  /** Of the live one: the fingerprint of LETTA_ENCRYPTION_KEY that its release runs with. */
  readonly encryptionKey?: string | undefined;
}

/** A run of a command that makes databases: a release's manifest, or what will be one. */
export interface MarkingRun {
  readonly id: string;
  /** Unknown in manifests of earlier versions, which marked nothing. */
  readonly run?: string;
}

const prefix = "letta-stack ";

/** The marks of one run, by purpose. */
export function marksOf(installation: string, { id, run = "" }: MarkingRun) {
  return (purpose: Purpose): Mark => ({ installation, run, purpose, release: id });
}

/** The statement that marks a database; its owner may run it, from any database of the server. */
export function commentStatement(name: string, mark: Mark): string {
  const { installation, run, purpose, release, encryptionKey } = mark;
  const text = prefix + JSON.stringify({ installation, run, purpose, release, encryptionKey });
  return `COMMENT ON DATABASE ${quoteName(name)} IS ${quoteText(text)};`;
}

/** The mark that a database's comment is; undefined for a missing comment and for any other text. */
export function readMark(comment: string | null): Mark | undefined {
  if (!comment?.startsWith(prefix)) return undefined;
  let read: Partial<Record<keyof Mark, unknown>> | null;
  try {
    read = JSON.parse(comment.slice(prefix.length)) as typeof read;
  } catch {
    return undefined;
  }
  const { installation, run, purpose, release, encryptionKey } = read ?? {};
  const isMark =
    [installation, run, release].every((one) => typeof one === "string") &&
    purposes.some((one) => one === purpose);
  if (!isMark) return undefined;
  const key = typeof encryptionKey === "string" ? { encryptionKey } : {};
  return { installation, run, purpose, release, ...key } as Mark;
}

export interface FoundDatabase {
  /** Null for one that may not be looked at. */
  readonly bytes: number | null;
  /** Undefined where it carries none of the tool's. */
  readonly mark: Mark | undefined;
  /** Its operator has written a comment of their own. */
  readonly hasOtherComment?: boolean;
}

/**
 * The databases of a server by their names.
 * @throws Problem DATABASE_REFUSED
 */
export async function databases(server: DatabaseServer): Promise<Map<string, FoundDatabase>> {
  const found = await askRows<{ name: string; bytes: number | null; comment: string | null }>(
    await maintenance(server),
    `SELECT datname AS name, shobj_description(oid, 'pg_database') AS comment,
      CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END AS bytes
      FROM pg_database WHERE NOT datistemplate`,
    "its databases",
  );
  return new Map(
    found.map(({ name, bytes, comment }) => {
      const mark = readMark(comment);
      return [name, { bytes, mark, hasOtherComment: comment !== null && mark === undefined }];
    }),
  );
}

/** The database that this run marked for this purpose, whatever its name is now. */
export function databaseOfRun(
  found: ReadonlyMap<string, FoundDatabase>,
  { installation, run, purpose }: Mark,
): string | undefined {
  if (run === "") return undefined;
  return [...found].find(
    ([, { mark }]) =>
      mark?.installation === installation && mark.run === run && mark.purpose === purpose,
  )?.[0];
}
