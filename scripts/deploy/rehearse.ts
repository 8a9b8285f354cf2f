import { Problem } from "../common/problem.ts";
import { compareSchemas, type SchemaDifference } from "../database/compareSchemas.ts";
import { databaseName } from "../database/databaseName.ts";
import { dropScratch } from "../database/dropScratch.ts";
import type { Mark } from "../database/marks.ts";
import { readSchema } from "../database/readSchema.ts";
import { revision } from "../database/revision.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Verification } from "../state/release.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import { CompatibilityTest, type SideBySide } from "./compatibilityTest.ts";
import { assertValidIndexes } from "./assertValidIndexes.ts";
import { repair, repairsFor } from "./repairs.ts";
import { measureCopy } from "./measureCopy.ts";
import {
  openRehearsalEnvironment,
  play,
  tagOf,
  type RehearsedServer,
  type RehearsalEnvironment,
} from "./rehearsalEnvironment.ts";

export interface RehearsalInput {
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
  const rehearsalEnvironment = await context.reporter.step("rehearse: create the environment", () =>
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
      failing("the migration fails on a copy of the database", () =>
        rehearsalEnvironment.migrate("candidate"),
      ),
    );
    const migrateSeconds = (context.now() - started) / 1000;
    const difference = compareSchemas(before, await readSchema(database));
    await failing("the migration is not whole", () => assertValidIndexes(database));
    const played = await context.reporter.step(
      `rehearse: ${tagOf(candidate)} on the copy`,
      () =>
        failing("the new server fails on a copy", () =>
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
    context.reporter.note(`${sideBySide.outcome.detail}: once more, without the old server`);
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
    `rehearse: rollback, ${tagOf(previous)} on the new schema`,
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

/** After any failure of a rehearsal: nothing of the stack was touched. */
async function failing<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
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
