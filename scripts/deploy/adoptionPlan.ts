import { between, headsOf, type History } from "../database/revisions.ts";
import type { LettaFacts } from "../database/foundLetta.ts";
import type { FoundFile } from "../docker/sourceEngine.ts";
import type { SecretsPlan } from "../database/storedSecrets.ts";
import { Problem } from "../common/problem.ts";

/** Rows that a migration of Letta's drops without moving them (alembic/versions of 0.16.8). */
const losses = [
  { revision: "d14ae606614c", what: "tools", tables: ["tools"] },
  { revision: "5987401b40ae", what: "agent-memory", tables: ["agents"] },
  { revision: "54dec07619c4", what: "archival-memory", tables: ["passages"] },
] as const;

/** What is dropped too and not missed: the plan mentions it. */
const dropped = { revision: "567e9fe06270", tables: ["job_messages", "agents_runs"] };

/** Losses that may be accepted by name. */
export const acceptable: readonly string[] = losses.map((one) => one.what);

/** What a plan is made from. */
export interface AdoptionFacts {
  readonly description: string;
  readonly isLive: boolean;
  readonly source: LettaFacts;
  readonly secrets: SecretsPlan;
  /** LETTA_ENCRYPTION_KEY: whether the source's is known, and whether the stack has one. */
  readonly hasSourceKey: boolean;
  readonly hasStackKey: boolean;
  /** Migrations of the image that is to serve. */
  readonly history: History;
  readonly target: {
    readonly database: string;
    /** Such as "17.11". */
    readonly postgres: string;
    readonly cluster: string | null;
    readonly agentIds: readonly string[];
  };
  readonly accepted: readonly string[];
  /** Whether agents of the stack that the source lacks may be set aside. */
  readonly replaces: boolean;
}

/** One reason to refuse, by a word that scripts know it by. */
interface Refusal {
  readonly reason: string;
  readonly text: string;
  readonly next?: string;
}

export interface AdoptionPlan {
  readonly postgres: string;
  readonly schema: string;
  readonly revision: readonly string[];
  readonly heads: readonly string[];
  /** How many migrations lie between. */
  readonly migrations: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly agents: number;
  readonly organizations: number;
  readonly secrets: {
    readonly encrypted: number;
    readonly plain: number;
    readonly toWrite: number;
  };
  /** Agents of the stack's present database that the source has not. */
  readonly setAside: readonly string[];
  /** For people, in the order in which they are asked. */
  readonly notes: readonly string[];
}

const majorOf = (version: string) => Number(/^\d+/u.exec(version)?.[0] ?? 0);
const count = (rows: LettaFacts["rows"], tables: readonly string[]) =>
  tables.reduce((sum, table) => sum + (rows[table] ?? 0), 0);

/**
 * What an adoption would do. Pure.
 * @throws Problem ADOPTION_REFUSED with every reason at once
 */
export function planAdoption(facts: AdoptionFacts): AdoptionPlan {
  const { source, secrets, history, target } = facts;
  const heads = headsOf(history);
  const here = new Set(source.agentIds);
  const setAside = target.agentIds.filter((one) => !here.has(one));
  const known = new Set(history.map((one) => one.id));
  const isKnown = source.revision.length > 0 && source.revision.every((one) => known.has(one));
  const due = isKnown ? between(history, source.revision, heads) : [];
  const refusals = refusalsOf(facts, { heads, isKnown, setAside, due: due.map((one) => one.id) });
  if (refusals.length > 0) {
    const next = refusals.find((one) => one.next !== undefined)?.next;
    throw new Problem(
      "ADOPTION_REFUSED",
      `${facts.description} is not moved in; nothing was touched`,
      {
        details: refusals.map((one) => one.text),
        facts: { refusals: refusals.map((one) => one.reason) },
        ...(next === undefined ? {} : { next }),
      },
    );
  }
  return {
    postgres: source.postgres,
    schema: source.schema,
    revision: source.revision,
    heads,
    migrations: due.length,
    rows: source.rows,
    agents: source.agents,
    organizations: source.organizations.length,
    secrets: {
      encrypted: secrets.encrypted,
      plain: secrets.plain,
      toWrite: secrets.updates.length,
    },
    setAside,
    notes: notesOf(
      facts,
      due.map((one) => one.id),
    ),
  };
}

interface Learnt {
  readonly heads: readonly string[];
  readonly isKnown: boolean;
  readonly setAside: readonly string[];
  readonly due: readonly string[];
}

function refusalsOf(facts: AdoptionFacts, { heads, isKnown, setAside, due }: Learnt): Refusal[] {
  const { source, secrets, target, history } = facts;
  const found: Refusal[] = [];
  const refuse = (reason: string, text: string, next?: string) =>
    found.push({ reason, text, ...(next === undefined ? {} : { next }) });
  const isSame = source.cluster !== null && source.cluster === target.cluster;
  if (isSame && source.database === target.database)
    refuse("same-database", "it is the stack's own database");
  const [theirs, ours] = [majorOf(source.postgres), majorOf(target.postgres)];
  if (theirs > ours) {
    const text = `it is of PostgreSQL ${theirs}: expected ${ours} or older, as the stack's is`;
    refuse(
      "newer-postgres",
      text,
      "set POSTGRES_IMAGE to one of that major version, for a stack without data",
    );
  }
  if (!isKnown) {
    const at = source.revision.join(", ") || "none";
    refuse(
      "unknown-revision",
      `its schema's revision is ${at}: expected one that the stack's server knows (${history.length} up to ${heads.join(", ")})`,
      "deploy the version of the source first, then move in",
    );
  }
  for (const { revision, what, tables } of losses) {
    const rows = count(source.rows, tables);
    if (!due.includes(revision) || rows === 0 || facts.accepted.includes(what)) continue;
    refuse(
      "loss",
      `migration ${revision} of Letta's own drops ${what}: ${rows} rows of ${tables.join(", ")}`,
      `the same command with --accept-loss ${what}`,
    );
  }
  if (secrets.unreadable.length > 0) {
    const why = facts.hasSourceKey
      ? "the source's LETTA_ENCRYPTION_KEY does not decrypt"
      : "these stored secrets look encrypted, and the source's LETTA_ENCRYPTION_KEY is not known";
    refuse(
      "unreadable-secrets",
      `${why}: ${secrets.unreadable.join("; ")}`,
      facts.hasSourceKey
        ? "the same command with the right --encryption-key-file <file>"
        : "the same command with --encryption-key-file <file>, or with --plain-secrets where the source never had a key",
    );
  }
  if (secrets.encrypted > 0 && !facts.hasStackKey) {
    const text = `${secrets.encrypted} stored secrets are encrypted, and the stack has no LETTA_ENCRYPTION_KEY`;
    refuse("no-stack-key", text, "set LETTA_ENCRYPTION_KEY for the stack, and bring it up with it");
  }
  if (setAside.length > 0 && !facts.replaces) {
    refuse(
      "agents-in-target",
      `the stack has ${setAside.length} agents that the source has not, such as ${setAside.slice(0, 3).join(", ")}`,
      "the same command with --replace: they stay in the database that is retained",
    );
  }
  return found;
}

function notesOf(
  { source, secrets, hasStackKey, isLive }: AdoptionFacts,
  due: readonly string[],
): string[] {
  const notes: string[] = [];
  if (secrets.plain > 0 && hasStackKey)
    notes.push(
      `${secrets.plain} stored secrets are plain text: they are encrypted with the stack's LETTA_ENCRYPTION_KEY`,
    );
  if (secrets.encrypted > 0)
    notes.push(
      `${secrets.encrypted} stored secrets are encrypted: they are encrypted anew with the stack's LETTA_ENCRYPTION_KEY`,
    );
  const gone = count(source.rows, dropped.tables);
  if (due.includes(dropped.revision) && gone > 0)
    notes.push(`Letta's own migration drops ${gone} rows of ${dropped.tables.join(", ")}`);
  if (isLive)
    notes.push(
      "the old server goes on: what it writes from now on is not moved; run this again, and stop it before the last time",
    );
  return notes;
}

/** What of Letta's folder is no part of its database, and what to do about it. */
const folders: readonly (readonly [start: string, what: string])[] = [
  ["memfs/", "git-backed memory: the memory of agents tagged git-memory-enabled is there alone"],
  ["mcp_config.json", "MCP servers of Letta up to 0.8.2 are in no table: register them anew"],
  ["conf.yaml", "settings: write them into the stack's own"],
  ["tool_execution_dir/", "working files of tools"],
];

/**
 * Describes files of the source that an adoption leaves behind. Pure.
 * @param files of Letta's folder, by their paths in it; logs and what Letta makes anew are passed over
 */
export function describeFiles(files: readonly FoundFile[]): string[] {
  // A virtual environment is of another Python, and of another image.
  const own = files.filter(({ path }) => !/(^|\/)venv\//u.test(path));
  return folders.flatMap(([start, what]) => {
    const found = own.filter(({ path }) => path.startsWith(start));
    const bytes = found.reduce((sum, one) => sum + one.bytes, 0);
    return found.length === 0
      ? []
      : [`${start}: ${found.length} files, ${(bytes / 1e6).toFixed(1)} MB (${what})`];
  });
}
