import {
  ancestorsOf,
  between,
  headsOf,
  type History,
  type Revision,
  sameRevisions,
} from "../database/revisions.ts";

/** How a server's image went on a database of this revision, when that was tried. */
interface SchemaVerification {
  readonly image: string;
  readonly revision: readonly string[];
  readonly passed: boolean;
  readonly detail: string;
}

export interface SchemaFacts {
  /** What the database says it is at: nothing where it is empty; undefined where it does not run. */
  readonly revision: readonly string[] | undefined;
  /** What it holds without saying any, such as "29 rows". */
  readonly unmarked: string | undefined;
  readonly image: string;
  /** The migrations of the image that is to serve. */
  readonly target: History;
  /** Those of the image that serves now, or served last. */
  readonly present: History;
  readonly verifications: readonly SchemaVerification[];
  /** The newest verified backup whose revision is the target's own. */
  readonly backup: { readonly id: string; readonly created: string } | undefined;
  readonly input: DatabaseOption | undefined;
  /** Whether databases can be made, copied, renamed and restored into on its server. */
  readonly mayRestore: boolean;
}

interface DatabasePlan {
  readonly databaseStrategy: DatabaseStrategy;
  readonly state: "verified" | "untried" | "failed" | "impossible";
  /** What is known of it, and what it would lose. */
  readonly detail: string;
}

export interface SchemaPlan {
  readonly revision: readonly string[] | undefined;
  readonly heads: readonly string[];
  readonly action: "none" | "migrate" | "refuse" | DatabaseStrategy;
  /** What a migration would do, oldest first; in a rollback what would be missing below. */
  readonly migrations: readonly Revision[];
  /** The ways through, where the database is ahead. */
  readonly strategies: readonly DatabasePlan[];
  /** Which of them to try, in this order; the first one is `action`. */
  readonly attempts: readonly DatabaseStrategy[];
  /** One line: why this action. */
  readonly why: string;
}

/** What has to happen to the schema so that an image can serve on it. Pure. */
export function planSchema(facts: SchemaFacts): SchemaPlan {
  const heads = headsOf(facts.target);
  const plan = (
    action: SchemaPlan["action"],
    why: string,
    more: Partial<SchemaPlan> = {},
  ): SchemaPlan => ({
    revision: facts.revision,
    heads,
    action,
    why,
    migrations: [],
    strategies: [],
    attempts: [],
    ...more,
  });
  const { revision, target, unmarked } = facts;
  if (unmarked !== undefined) {
    return plan("refuse", `the database holds ${unmarked} and has no revision`);
  }
  if (revision === undefined || revision.length === 0) {
    const why = revision === undefined ? "no database runs yet" : "the database is empty";
    return plan("migrate", why, { migrations: between(target, [], heads) });
  }
  if (target.length === 0) {
    return plan("migrate", "the image is not pulled yet, so its migrations are unknown");
  }
  const at = revision.join(", ");
  if (sameRevisions(revision, heads))
    return plan("none", `the database is at ${at}, the image's own head`);
  const own = new Set(target.map((one) => one.id));
  if (revision.every((id) => own.has(id))) {
    const migrations = between(target, revision, heads);
    return plan("migrate", `${migrations.length} migrations from ${at} to ${heads.join(", ")}`, {
      migrations,
    });
  }
  const known = ancestorsOf(facts.present, revision);
  const isAhead = revision.every((id) => known.has(id)) && heads.every((id) => known.has(id));
  if (!isAhead) {
    return plan("refuse", `no image at hand knows the database's revision ${at}`);
  }
  const migrations = between(facts.present, heads, revision);
  const options = strategies.map((databaseStrategy) =>
    planDatabaseStrategy(databaseStrategy, facts),
  );
  const usable = (databaseStrategy: DatabaseStrategy) =>
    options.find((one) => one.databaseStrategy === databaseStrategy)!.state !== "impossible";
  const verified = options.find((one) => one.databaseStrategy === "keep")?.state === "verified";
  const ahead = `the database is ${migrations.length} migrations ahead of the image (${at}, its head is ${heads.join(", ")})`;
  const attempts = attemptsFor(facts.input, verified).filter(usable);
  const [first] = attempts;
  return plan(first ?? "refuse", ahead, { migrations, strategies: options, attempts });
}

function attemptsFor(
  input: DatabaseOption | undefined,
  keepIsVerified: boolean,
): readonly DatabaseStrategy[] {
  if (input === undefined) return keepIsVerified ? ["keep"] : [];
  // A restore loses rows, so it must be asked for by name.
  return input === "auto" ? ["keep", "copy", "downgrade"] : [input];
}

function planDatabaseStrategy(
  databaseStrategy: DatabaseStrategy,
  facts: SchemaFacts,
): DatabasePlan {
  const { backup } = facts;
  const from = backup && `backup ${backup.id} of ${backup.created}`;
  if (databaseStrategy === "keep") {
    const verification = facts.verifications.find(
      (one) => one.image === facts.image && sameRevisions(one.revision, facts.revision ?? []),
    );
    const state =
      verification === undefined ? "untried" : verification.passed ? "verified" : "failed";
    const said = verification === undefined ? "not tried yet" : verification.detail;
    return { databaseStrategy, state, detail: `the newer schema stays, loses nothing; ${said}` };
  }
  if (!facts.mayRestore) {
    const detail = "the role may not copy or restore databases, see the limits";
    return { databaseStrategy, state: "impossible", detail };
  }
  if (databaseStrategy === "downgrade") {
    const detail = "loses what the downgrades drop";
    return { databaseStrategy, state: "untried", detail };
  }
  if (from === undefined) {
    const detail = "there is no verified backup from before the migration";
    return { databaseStrategy, state: "impossible", detail };
  }
  const loses = {
    copy: `the old schema of ${from}, the rows of now; loses columns and tables that schema lacks`,
    restore: `${from} is restored; loses all writes since`,
  };
  return { databaseStrategy, state: "untried", detail: loses[databaseStrategy] };
}

/** The ways to bring an older server and a newer database together; CONTRIBUTING tells them. */
const strategies = ["keep", "copy", "downgrade", "restore"] as const;
export type DatabaseStrategy = (typeof strategies)[number];

/** The values of `--database`: `auto` tries those that lose nothing. */
export const databaseOptions = [...strategies, "auto"] as const;
export type DatabaseOption = (typeof databaseOptions)[number];
