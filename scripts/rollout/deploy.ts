import { join } from "node:path";
import { settledContainers } from "../cutover/settleServers.ts";
import { newestGood, nextReleaseId } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { writeFile } from "../ledger/writeFile.ts";
import { readyDatabase } from "../parts/readyDatabase.ts";
import type { Tools } from "../parts/tools.ts";
import { refuseFullDisk } from "../preparation/preflight.ts";
import { newTarget, type Making, type Target } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { decide } from "./decide.ts";
import { migrationEnded } from "./migrationEnded.ts";
import { recover } from "./recover.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./refuseOtherPlace.ts";
import { refuseUnsafe } from "./refuseUnsafe.ts";
import { rollOut, type RolloutAsked, type RolloutOutcome } from "./rollOut.ts";
import { session, type Retaining, type Session } from "./session.ts";

/**
 * Deploys what the settings ask for: looks, decides, shows, confirms; rehearses a migration on
 * a copy while the former release serves; does it, proves it, watches it, records it.
 * @throws Problem of every kind that its steps throw; ROLLED_BACK where it failed and the former
 *   release serves again
 */
export function deploy(
  settings: Settings,
  asked: RolloutAsked,
  tools: Tools,
): Promise<RolloutOutcome & Retaining> {
  return session(settings, { ...asked, command: "deploy" }, tools, async (begun) => {
    refuseOtherPlace(settings, begun.directory);
    await recover(settings, begun);
    const { directory } = begun;
    await refuseFullDisk("run", begun.tools);
    const making = await makingOf(settings, begun);
    const target = await newTarget(settings, making, true, begun.tools);
    await readyPresent(settings, target, directory, begun.tools);
    const observed = await settledContainers(settings, target.prepared.stack, begun.tools);
    const now = { ...making, observed };
    const decision = await decide(settings, target, now, { kind: "deploy" }, begun.tools);
    const { present, isMarked = false } = decision.situation;
    refuseOtherDatabase(settings, present, now.secretKey, isMarked);
    refuseUnsafe(decision, settings, "deploy");
    return rollOut({ kind: "deploy", settings, target, decision, making: now, asked }, begun);
  });
}

/** What a rollout is made under now. */
export async function makingOf(settings: Settings, { directory, tools }: Session): Promise<Making> {
  return {
    id: nextReleaseId(directory),
    directory,
    observed: await tools.engine.containers(settings.project),
    secretKey: secretKey(directory, tools.randomBytes),
    keeps: true,
  };
}

/**
 * Has the database that is there run, by the release that serves or by the one to come, and
 * nobody migrate it: data may be there without a release, after a first deploy that was cut off
 * or a lost state directory.
 */
export async function readyPresent(
  settings: Settings,
  target: Target,
  directory: string,
  tools: Tools,
): Promise<void> {
  const present = newestGood(directory);
  const file =
    present === undefined
      ? join(directory, "database.yaml")
      : join(directory, "releases", present.restores ?? present.id, "compose.yaml");
  if (present === undefined) writeFile(file, target.prepared.stack.text);
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await readyDatabase(settings, target.prepared.stack, file, postgres, tools);
  await migrationEnded(settings, target.prepared.stack, tools);
}
