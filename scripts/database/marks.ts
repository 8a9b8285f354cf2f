import { quoteName, quoteText } from "./quote.ts";

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
