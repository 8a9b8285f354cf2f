import { Problem } from "../common/problem.ts";
import { compareSchemas, type SchemaDifference } from "../database/compareSchemas.ts";
import { databaseName } from "../database/databaseName.ts";
import { dropScratch } from "../database/dropScratch.ts";
import type { Mark } from "../database/marks.ts";
import { readSchema } from "../database/readSchema.ts";
import { revision } from "../database/revision.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Proof } from "../ledger/release.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { BesideTrial, type Beside } from "./besideTrial.ts";
import { expectValidIndexes } from "./expectValidIndexes.ts";
import { repair, repairsFor } from "./repairs.ts";
import { measureCopy } from "./measureCopy.ts";
import { openStage, play, tagOf, type Actor, type Stage } from "./stage.ts";

export interface RehearsalAsked {
  readonly directory: string;
  readonly settings: Settings;
  readonly server: DatabaseServer;
  /** Marks the scratch database with the present content. */
  readonly scratch: Mark;
  readonly newcomer: Actor;
  /** What serves now; undefined where nothing does. */
  readonly former: (Actor & { readonly imageId: string }) | undefined;
  /** Whether it is worth to know if both can serve at the same time. */
  readonly triesBeside: boolean;
}

export interface Rehearsal {
  /** How long a copy of the live database takes. */
  readonly copySeconds: number;
  readonly migrateSeconds: number;
  readonly bootSeconds: number;
  /** What the migration really changes. */
  readonly difference: SchemaDifference;
  /** Undefined where it was not tried. */
  readonly beside: Beside | undefined;
  /** How the former server went on the new schema. */
  readonly wayBack: Proof | undefined;
}

/**
 * Whether a rehearsal has shown that the former server can go on serving while its database is
 * migrated, and come back on it should the new one fail.
 */
export function isProvenBeside(rehearsal: Pick<Rehearsal, "beside" | "wayBack"> | null): boolean {
  return rehearsal?.beside?.passed === true && rehearsal.wayBack?.passed === true;
}

/**
 * Tries a migration on a copy: the migration itself, the new server on it, and the former
 * server on the migrated copy, so that the way back is known before anything is touched. The
 * former one is also tried as it would be met: serving before the migration, after it, and
 * beside the new one.
 * @throws Problem REHEARSAL_FAILED where the migration or the new server fails
 */
export async function rehearse(asked: RehearsalAsked, tools: Tools): Promise<Rehearsal> {
  const { server, scratch, newcomer, former, triesBeside } = asked;
  const copy = databaseName(server.name, scratch);
  const database = server.database(copy);
  const actors = new Map<string, Actor>([["newcomer", newcomer]]);
  if (former !== undefined) actors.set("former", former);
  const copySeconds = await measureCopy(server, scratch, tools);
  const stage = await tools.say.step("rehearse: set the stage", () =>
    openStage(actors, { server, database: copy }, asked, tools),
  );
  try {
    const before = await readSchema(database);
    const beside = former && triesBeside ? new BesideTrial(stage, former, tools) : undefined;
    await beside?.begin({ server, scratch: copy });
    const started = tools.now();
    await tools.say.step("rehearse: migrate a copy", () =>
      failing("the migration fails on a copy of the database", () => stage.migrate("newcomer")),
    );
    const migrateSeconds = (tools.now() - started) / 1000;
    const difference = compareSchemas(before, await readSchema(database));
    await failing("the migration is not whole", () => expectValidIndexes(database));
    const played = await tools.say.step(
      `rehearse: ${tagOf(newcomer)} on the copy`,
      () => failing("the new server fails on a copy", () => playNewcomer(stage, beside, tools)),
      ({ requests, bootSeconds }) =>
        `boots in ${bootSeconds.toFixed(1)} s, answers ${requests} requests`,
    );
    await beside?.end();
    await stage.leave("newcomer");
    const wayBack = former && (await rehearseBack(asked, former, stage, tools));
    const { bootSeconds } = played;
    return {
      copySeconds,
      migrateSeconds,
      bootSeconds,
      difference,
      beside: beside?.outcome,
      wayBack,
    };
  } finally {
    await stage.close();
    await dropScratch(server, scratch);
  }
}

/** @param beside what must not be why it fails: then it gets a second try, alone */
async function playNewcomer(
  stage: Stage,
  beside: BesideTrial | undefined,
  tools: Tools,
): Promise<{ requests: number; bootSeconds: number }> {
  const once = async () => {
    const bootSeconds = await stage.boot("newcomer");
    return { requests: await stage.ask("newcomer"), bootSeconds };
  };
  try {
    return await once();
  } catch (error) {
    if (!(error instanceof Problem) || beside?.outcome.passed !== true) throw error;
    await beside.fail(error);
    tools.say.note(`${beside.outcome.detail}: once more, without the old server beside it`);
    await stage.leave("newcomer");
    return once();
  }
}

async function rehearseBack(
  { server, scratch, newcomer }: RehearsalAsked,
  former: Actor & { readonly imageId: string },
  stage: Stage,
  tools: Tools,
): Promise<Proof> {
  const database = server.database(databaseName(server.name, scratch));
  const at = await revision(database, newcomer.stack.server.revisionQuery);
  const started = tools.now();
  const proof = (passed: boolean, detail: string): Proof => ({
    image: former.imageId,
    revision: at,
    way: "keep",
    passed,
    detail,
    at: new Date(tools.now()).toISOString(),
    seconds: (tools.now() - started) / 1000,
  });
  return tools.say.step(
    `rehearse: the way back, ${tagOf(former)} on the new schema`,
    async () => {
      try {
        const { server: role } = newcomer.stack;
        await repair(database, await repairsFor(role, tagOf(newcomer), tagOf(former)));
        const { requests } = await play(stage, "former");
        return proof(true, `${tagOf(former)} answered ${requests} requests on a copy`);
      } catch (error) {
        tools.signal.throwIfAborted();
        const details = error instanceof Problem ? error.details.slice(-1) : [];
        return proof(false, [(error as Error).message, ...details].join(": "));
      }
    },
    ({ passed, detail }) => (passed ? "works" : `does not work (${detail})`),
  );
}

/** Whatever goes wrong on the stage: nothing of the stack was touched. */
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
