import { Problem } from "../common/problem.ts";
import { dropScratch } from "../database/alterDatabases.ts";
import { databaseName, databases, type Mark } from "../database/databaseNames.ts";
import { checkpoint, copyDatabase } from "../database/makeDatabase.ts";
import { revision } from "../database/revisions.ts";
import { compareSchemas, readSchema, type SchemaDifference } from "../database/schema.ts";
import { type DatabaseServer, interruptible } from "../database/sql.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import type { Verification } from "../state/release.ts";
import { assertValidIndexes } from "./assertServerWorks.ts";
import { hasNoSessions } from "./isQuiesced.ts";
import {
  openRehearsalEnvironment,
  play,
  type RehearsalEnvironment,
  type RehearsedServer,
  tagOf,
} from "./rehearsalEnvironment.ts";
import { repair, repairsFor } from "./repairs.ts";

interface RehearsalInput {
  readonly directory: string;
  readonly settings: Settings;
  readonly server: DatabaseServer;
  /** Marks the scratch database with the present content. */
  readonly scratch: Mark;
  readonly candidate: RehearsedServer;
  /** What serves now; undefined where nothing does. */
  readonly previous: (RehearsedServer & { readonly imageId: string }) | undefined;
  /** Whether it is worth to know if both can serve at the same time. */
  readonly testsCompatibility: boolean;
}

export interface Rehearsal {
  /** How long a copy of the live database takes. */
  readonly copySeconds: number;
  readonly migrateSeconds: number;
  readonly bootSeconds: number;
  /** What the migration really changes. */
  readonly difference: SchemaDifference;
  /** Undefined where it was not tried. */
  readonly sideBySide: SideBySide | undefined;
  /** How the previous server went on the new schema. */
  readonly rollbackCheck: Verification | undefined;
}

/**
 * Whether a rehearsal has shown that the previous server can go on serving while its database is
 * migrated, and come back on it should the new one fail.
 */
export function isCompatible(
  rehearsal: Pick<Rehearsal, "sideBySide" | "rollbackCheck"> | null,
): boolean {
  return rehearsal?.sideBySide?.passed === true && rehearsal.rollbackCheck?.passed === true;
}

/**
 * Tries a migration on a copy: the migration itself, the new server on it, and the previous
 * server on the migrated copy, so that the rollback is verified before anything is touched. The
 * previous one is also tried as it would be met: serving before the migration, after it, and
 * side by side with the new one.
 * @throws Problem REHEARSAL_FAILED where the migration or the new server fails
 */
export async function rehearse(input: RehearsalInput, context: Context): Promise<Rehearsal> {
  const { server, scratch, candidate, previous, testsCompatibility } = input;
  const copy = databaseName(server.name, scratch);
  const database = server.database(copy);
  const rehearsedServers = new Map<string, RehearsedServer>([["candidate", candidate]]);
  if (previous !== undefined) rehearsedServers.set("previous", previous);
  const copySeconds = await measureCopy(server, scratch, context);
  const rehearsalEnvironment = await context.reporter.step("rehearse: create environment", () =>
    openRehearsalEnvironment(rehearsedServers, { server, database: copy }, input, context),
  );
  try {
    const before = await readSchema(database);
    const sideBySide =
      previous && testsCompatibility
        ? new CompatibilityTest(rehearsalEnvironment, previous, context)
        : undefined;
    await sideBySide?.begin({ server, scratch: copy });
    const started = context.now();
    await context.reporter.step("rehearse: migrate a copy", () =>
      onCopy("the migration fails on a copy of the database", () =>
        rehearsalEnvironment.migrate("candidate"),
      ),
    );
    const migrateSeconds = (context.now() - started) / 1000;
    const difference = compareSchemas(before, await readSchema(database));
    await onCopy("the migration is incomplete", () => assertValidIndexes(database));
    const played = await context.reporter.step(
      `rehearse: ${tagOf(candidate)} on the copy`,
      () =>
        onCopy("the new server fails on a copy", () =>
          playCandidate(rehearsalEnvironment, sideBySide, context),
        ),
      ({ requests, bootSeconds }) =>
        `boots in ${bootSeconds.toFixed(1)} s, answers ${requests} requests`,
    );
    await sideBySide?.end();
    await rehearsalEnvironment.leave("candidate");
    const rollbackCheck =
      previous && (await rehearseBack(input, previous, rehearsalEnvironment, context));
    const { bootSeconds } = played;
    return {
      copySeconds,
      migrateSeconds,
      bootSeconds,
      difference,
      sideBySide: sideBySide?.outcome,
      rollbackCheck,
    };
  } finally {
    await rehearsalEnvironment.close();
    await dropScratch(server, scratch);
  }
}

/** @param sideBySide what must not be why it fails: then it gets a second try, alone */
async function playCandidate(
  rehearsalEnvironment: RehearsalEnvironment,
  sideBySide: CompatibilityTest | undefined,
  context: Context,
): Promise<{ requests: number; bootSeconds: number }> {
  const once = async () => {
    const bootSeconds = await rehearsalEnvironment.boot("candidate");
    return { requests: await rehearsalEnvironment.ask("candidate"), bootSeconds };
  };
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof Problem) || sideBySide?.outcome.passed !== true) throw error;
    await sideBySide.fail(error);
    context.reporter.note(`${sideBySide.outcome.detail}: repeating without the old server`);
    await rehearsalEnvironment.leave("candidate");
    return once();
  }
}

async function rehearseBack(
  { server, scratch, candidate }: RehearsalInput,
  previous: RehearsedServer & { readonly imageId: string },
  rehearsalEnvironment: RehearsalEnvironment,
  context: Context,
): Promise<Verification> {
  const database = server.database(databaseName(server.name, scratch));
  const at = await revision(database, candidate.stack.server.revisionQuery);
  const started = context.now();
  const verification = (passed: boolean, detail: string): Verification => ({
    image: previous.imageId,
    revision: at,
    databaseStrategy: "keep",
    passed,
    detail,
    at: new Date(context.now()).toISOString(),
    seconds: (context.now() - started) / 1000,
  });
  return context.reporter.step(
    `rehearse: rollback to ${tagOf(previous)} on the new schema`,
    async () => {
      try {
        const { server: role } = candidate.stack;
        await repair(database, await repairsFor(role, tagOf(candidate), tagOf(previous)));
        const { requests } = await play(rehearsalEnvironment, "previous");
        return verification(true, `${tagOf(previous)} answered ${requests} requests on a copy`);
      } catch (error) {
        context.signal.throwIfAborted();
        const details = error instanceof Problem ? error.details.slice(-1) : [];
        return verification(false, [(error as Error).message, ...details].join(": "));
      }
    },
    ({ passed, detail }) => (passed ? "works" : `does not work (${detail})`),
  );
}

/**
 * Tries something on a copy.
 * @param what the failure, for the message
 * @throws Problem REHEARSAL_FAILED: nothing of the stack was touched
 */
export async function onCopy<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem("REHEARSAL_FAILED", `${what}; nothing was touched`, {
      details: [error.message, ...error.details],
      next: "npm run status",
      cause: error,
    });
  }
}

/** How the previous server went on while its database was migrated, and side by side with the new one. */
interface SideBySide {
  readonly passed: boolean;
  readonly detail: string;
}

/**
 * The previous server on a rehearsal's copy, from before the migration until the new one runs next to
 * it: what it would meet if it were not stopped. Its failure does no harm and is reported.
 */
class CompatibilityTest {
  outcome: SideBySide = { passed: true, detail: "" };
  readonly #rehearsalEnvironment: RehearsalEnvironment;
  readonly #name: string;
  readonly #context: Context;
  constructor(
    rehearsalEnvironment: RehearsalEnvironment,
    previous: RehearsedServer,
    context: Context,
  ) {
    this.#rehearsalEnvironment = rehearsalEnvironment;
    this.#name = tagOf(previous);
    this.#context = context;
  }

  /**
   * Boots it on the scratch database, which is as it was before the migration. Letta 0.15.1 answered 239 of 239
   * requests while 0.16.8's migrations ran under it; one that boots after 0.16.8 needs the role's repair first.
   */
  begin({ server, scratch }: { server: DatabaseServer; scratch: string }): Promise<void> {
    return this.#try(`rehearse: ${this.#name} on the copy`, async () => {
      await this.#rehearsalEnvironment.boot("previous");
      await this.#rehearsalEnvironment.ask("previous");
      if (await hasNoSessions(server, scratch, this.#context)) return "answers requests";
      throw new Problem("REHEARSAL_FAILED", "it keeps its connections to the database");
    });
  }

  async end(): Promise<void> {
    if (!this.outcome.passed) return;
    await this.#try(`rehearse: ${this.#name} side by side with the new one`, async () => {
      const requests = await this.#rehearsalEnvironment.ask("previous");
      // What it has written there is the new one's to read.
      await this.#rehearsalEnvironment.ask("candidate");
      const detail = `${this.#name} answered ${requests} requests on the new schema, side by side with the new server`;
      this.outcome = { passed: true, detail };
      return "works";
    });
    if (this.outcome.passed) await this.#rehearsalEnvironment.leave("previous");
  }

  async fail(error: Problem): Promise<void> {
    const why = [error.message, ...error.details.slice(-1)].join(": ");
    this.outcome = { passed: false, detail: why };
    await this.#rehearsalEnvironment.leave("previous");
  }

  /** @param work what may fail without harm; its outcome is reported */
  async #try(name: string, work: () => Promise<string>): Promise<void> {
    const trying = async () => {
      try {
        return await work();
      } catch (error) {
        this.#context.signal.throwIfAborted();
        if (!(error instanceof Problem)) throw error;
        await this.fail(error);
        return `failed, so requests will be paused until the new server is verified (${this.outcome.detail})`;
      }
    };
    await this.#context.reporter.step(name, trying, (reported) => reported);
  }
}

/**
 * Measures how long a snapshot of the live database takes, by copying a restored copy of it that no session is
 * connected to.
 * @param scratch marks that copy
 * @returns seconds; what live has grown beyond the copy (bloat) is added in proportion
 */
async function measureCopy(
  server: DatabaseServer,
  scratch: Mark,
  context: Pick<Context, "reporter" | "now" | "signal">,
): Promise<number> {
  const [copied, copy] = [
    databaseName(server.name, scratch),
    { ...scratch, purpose: "verification" } as const,
  ];
  await dropScratch(server, copy);
  return context.reporter.step(
    "rehearse: time a snapshot",
    async () => {
      // As before the pause: the checkpoint that a copy forces is not to count.
      await checkpoint(interruptible(server, context.signal));
      const started = context.now();
      try {
        await copyDatabase(server, copied, copy, context.signal);
        const seconds = (context.now() - started) / 1000;
        return seconds * (await growth(server, copied));
      } finally {
        await dropScratch(server, copy);
      }
    },
    (seconds) => `a snapshot takes about ${seconds.toFixed(1)} s`,
  );
}

async function growth(server: DatabaseServer, scratch: string): Promise<number> {
  const found = await databases(server);
  const live = found.get(server.name)?.bytes ?? 0;
  const copied = found.get(scratch)?.bytes ?? 0;
  return copied === 0 ? 1 : Math.max(1, live / copied);
}
