import { join } from "node:path";
import { settledContainers } from "./removeExtraReplica.ts";
import { newestGood, nextReleaseId } from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { writeFile } from "../state/writeFile.ts";
import { ensureDatabase } from "./ensureDatabase.ts";
import type { Context } from "../state/context.ts";
import { assertDiskSpace } from "./preflight.ts";
import { newTarget, type Preparation, type Target } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { decide } from "./decide.ts";
import { migrationEnded } from "./migrationEnded.ts";
import { recover } from "./recover.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./refuseOtherPlace.ts";
import { assertSafe } from "./assertSafe.ts";
import { runPipeline, type PipelineOptions, type RolloutOutcome } from "./runPipeline.ts";
import { session, type Retaining, type Session } from "./session.ts";

/**
 * Deploys what the settings ask for: looks, decides, shows, confirms; rehearses a migration on
 * a copy while the previous release serves; applies it, verifies it, watches it, records it.
 * @throws Problem of every kind that its steps throw; ROLLED_BACK where it failed and the previous
 *   release serves again
 */
export function deploy(
  settings: Settings,
  input: PipelineOptions,
  context: Context,
): Promise<RolloutOutcome & Retaining> {
  return session(settings, { ...input, command: "deploy" }, context, async (begun) => {
    refuseOtherPlace(settings, begun.directory);
    await recover(settings, begun);
    const { directory } = begun;
    await assertDiskSpace("run", begun.context);
    const preparation = await preparationOf(settings, begun);
    const target = await newTarget(settings, preparation, true, begun.context);
    await ensureCurrent(settings, target, directory, begun.context);
    const observed = await settledContainers(settings, target.prepared.stack, begun.context);
    const now = { ...preparation, observed };
    const decision = await decide(settings, target, now, { kind: "deploy" }, begun.context);
    const { present, isMarked = false } = decision.currentState;
    refuseOtherDatabase(settings, present, now.secretKey, isMarked);
    assertSafe(decision, settings, "deploy");
    return runPipeline(
      { kind: "deploy", settings, target, decision, preparation: now, input },
      begun,
    );
  });
}

/** What a rollout is made under now. */
export async function preparationOf(
  settings: Settings,
  { directory, context }: Session,
): Promise<Preparation> {
  return {
    id: nextReleaseId(directory),
    directory,
    observed: await context.engine.containers(settings.project),
    secretKey: secretKey(directory, context.randomBytes),
    keeps: true,
  };
}

/**
 * Has the database that is there run, by the release that serves or by the one to come, and
 * never migrate it: data may be there without a release, after a first deploy that was interrupted
 * or a lost state directory.
 */
export async function ensureCurrent(
  settings: Settings,
  target: Target,
  directory: string,
  context: Context,
): Promise<void> {
  const present = newestGood(directory);
  const file =
    present === undefined
      ? join(directory, "database.yaml")
      : join(directory, "releases", present.restores ?? present.id, "compose.yaml");
  if (present === undefined) writeFile(file, target.prepared.stack.text);
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await ensureDatabase(settings, target.prepared.stack, file, postgres, context);
  await migrationEnded(settings, target.prepared.stack, context);
}
