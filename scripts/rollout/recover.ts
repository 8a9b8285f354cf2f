import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { databases } from "../database/databases.ts";
import { dropScratch } from "../database/dropScratch.ts";
import { isScratch } from "../database/scratchName.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { Problem } from "../common/problem.ts";
import type { Release } from "../ledger/release.ts";
import { releasesNewestFirst, updateRelease } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { activate } from "./activate.ts";
import { newestGood } from "../ledger/releases.ts";
import { readyDatabase } from "./readyDatabase.ts";
import { repair, repairsFor } from "./repairs.ts";
import type { Session } from "./session.ts";
import { situation } from "./situation.ts";
import { stageProject } from "./stage.ts";
import { pastTarget } from "./target.ts";
import type { Tools } from "./tools.ts";
import { wayBack } from "./wayBack.ts";

/**
 * Finds out whether an earlier run was cut off, from the ledger, the engine and the database,
 * and finishes it or takes it back: afterwards the old release serves, or the new one.
 * @returns the release that was finished or taken back; undefined where all was in order
 * @throws Problem STEP_FAILED where a person must act
 */
export async function recover(settings: Settings, session: Session): Promise<string | undefined> {
  const { directory, tools } = session;
  await tools.engine.sweep();
  const unfinished = newest(directory);
  if (unfinished === undefined) return undefined;
  if (unfinished.kind === "up") {
    // Its plan goes by what is there: the next one finishes it.
    updateRelease(directory, { ...unfinished, outcome: "failed" });
    return undefined;
  }
  tools.say.note(
    `${unfinished.kind} of release ${unfinished.id} (${unfinished.tag}) was cut off: finishing it or taking it back`,
  );
  await tools.engine.down(stageProject(settings.project), true);
  await finish(settings, unfinished, session);
  return unfinished.id;
}

/** The newest sheet, where that was begun and never ended. */
function newest(directory: string): Release | undefined {
  for (const release of releasesNewestFirst(directory)) {
    return release.outcome === "begun" ? release : undefined;
  }
  return undefined;
}

async function finish(settings: Settings, cut: Release, session: Session): Promise<void> {
  const { directory, tools } = session;
  const back = async (error: unknown) => {
    const ended = await wayBack({ failed: cut, settings, error }, session);
    if (ended.code !== "ROLLED_BACK") throw ended;
    tools.say.note(ended.message);
  };
  try {
    const key = secretKey(directory, tools.randomBytes);
    const observed = await tools.engine.containers(settings.project);
    const making = { id: cut.id, directory, observed, secretKey: key };
    const own = { ...cut, restores: cut.id };
    const target = await pastTarget(settings, own, making, tools);
    const { stack } = target.prepared;
    await migrationEnded(target.settings, stack, tools);
    const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
    const file = join(directory, "releases", cut.id, "compose.yaml");
    await readyDatabase(target.settings, stack, file, image, tools);
    const seen = await situation(settings, directory, stack.server, image, tools);
    if (seen.revision === undefined || !fits(cut, seen.revision)) {
      return await back(new Problem("INTERRUPTED", "it was cut off before the database was ready"));
    }
    const from = newestGood(directory)?.tag ?? cut.tag;
    const repairs = cut.way === "keep" ? await repairsFor(stack.server, from, cut.tag) : [];
    const awayWork = (server: DatabaseServer) => repair(server.database(), repairs);
    const activation = {
      sheet: cut,
      target,
      directory,
      file,
      incident: true,
      awayWork: repairs.length > 0 ? awayWork : undefined,
    };
    const { release } = await activate(activation, tools);
    tools.say.note(`release ${release.id} (${release.tag}) is finished and proven`);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "STEP_FAILED") throw error;
    await back(error);
  }
}

/** Whether the database is where the release brings it to. */
function fits({ revision }: Release, at: readonly string[]): boolean {
  return [...at].sort().join(" ") === [...revision].sort().join(" ");
}

/** A migration goes on when the tool is killed: whatever it comes to, it is not disturbed. */
async function migrationEnded(settings: Settings, stack: Stack, tools: Tools): Promise<void> {
  const containers = await tools.engine.containers(settings.project);
  const job = containers.find((one) => one.service === stack.server.migrate);
  if (job?.state !== "running") return;
  await tools.say.step("wait for the migration that is under way", async () => {
    while ((await tools.engine.inspect(job.id)).state === "running") {
      await sleep(100, undefined, { signal: tools.signal });
    }
  });
}

/**
 * Drops the databases that the tool made for itself and that no unfinished release needs.
 * @throws Problem DATABASE_REFUSED
 */
export async function clearScratch(server: DatabaseServer): Promise<void> {
  for (const name of (await databases(server)).keys()) {
    if (isScratch(server.name, name)) await dropScratch(server, name);
  }
}
