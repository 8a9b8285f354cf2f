import { Problem } from "../common/problem.ts";
import type { DeployStrategy } from "./chooseStrategy.ts";
import { runStrategy, migrationOf } from "./runStrategy.ts";
import { databaseServing } from "./databaseOf.ts";
import { type NextRelease, runMarks } from "./nextRelease.ts";
import { revision, sameRevisions } from "../database/revisions.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Release } from "../state/release.ts";
import { newestGood, updateRelease } from "../state/releases.ts";
import { planChanges, type Change } from "./planChanges.ts";
import { telemetryCounts } from "./collectorUpdate.ts";
import type { Context } from "../state/context.ts";
import { madeDigests } from "./describeRelease.ts";
import { keepImages } from "./obtainImages.ts";
import { assertVerified, checksSummary, verifyRelease } from "./verifyRelease.ts";
import { isTelemetry } from "../stack/readServices.ts";
import type { Check } from "../checks/verify.ts";
import { bake, type BakeGate, type Comparison } from "./bake.ts";
import { assertValidIndexes } from "./assertServerWorks.ts";
import { markLive } from "./ownership.ts";

export interface ReleaseInput extends NextRelease {
  /** What its requests are compared with after the bake time, where that was asked for. */
  readonly gate?: BakeGate | undefined;
}

export interface AppliedRelease {
  readonly release: Release;
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly strategy: DeployStrategy;
  /** How long no server answered; null where the server was not touched. */
  readonly downtimeSeconds: number | null;
  /** How it did compared with the release before; undefined without a comparison. */
  readonly compared: Comparison | undefined;
}

/**
 * Makes a release the one that runs, and verifies it: the pipeline that deploys, rollbacks and
 * automatic rollbacks have in common.
 * @throws Problem STEP_FAILED at the first thing that is not as it should be
 */
export async function applyRelease(
  releaseInput: ReleaseInput,
  context: Context,
): Promise<AppliedRelease> {
  const { manifest, target } = releaseInput;
  const observed = await context.engine.containers(target.settings.project);
  const imageIds = Object.values(manifest.services).map((one) => one.imageId);
  const keeping = keepImages(target.settings, imageIds, context);
  keeping.catch(() => undefined); // it is asked before the verification
  try {
    return await switchServers({ ...releaseInput, observed, keeping }, context);
  } finally {
    // Who leaves here may let go of the lock, and must have nothing under way any more.
    await Promise.allSettled([keeping]);
  }
}

interface Begun extends ReleaseInput {
  readonly observed: readonly ObservedContainer[];
  readonly keeping: Promise<void>;
}

async function switchServers(releaseInput: Begun, context: Context): Promise<AppliedRelease> {
  const { manifest, target, directory, fast, gate, observed, keeping } = releaseInput;
  const { settings, prepared, images } = target;
  const { stack } = prepared;
  const migration = migrationOf(releaseInput);
  const changes = planChanges(stack, observed, images.idByReference, migration);
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  // A collector that stays can be verified while the server boots.
  const telemetry =
    fast && !isTouched("collector")
      ? verifyRelease(settings, prepared, directory, context, "telemetry")
      : undefined;
  telemetry?.catch(() => undefined); // it is looked at later, if nothing else fails before
  const { strategy, downtimeSeconds } = await runStrategy(
    { next: releaseInput, observed, changes },
    context,
  );
  const database = (await databaseServing(target, context)).database();
  const at = await revision(database, stack.server.revisionQuery);
  assertRevision(manifest, at);
  if (migration !== "idle") await assertValidIndexes(database);
  await keeping;
  const checks = await context.reporter.step(
    "verify",
    async () => {
      if (!fast) return verifyRelease(settings, prepared, directory, context, "whole");
      const [sent, server] = await Promise.all([
        telemetry ?? verifyRelease(settings, prepared, directory, context, "telemetry"),
        verifyRelease(settings, prepared, directory, context, "server"),
      ]);
      return [...sent, ...server];
    },
    checksSummary,
  );
  const changesTelemetry = stack.services.some(({ name }) => isTelemetry(name) && isTouched(name));
  const circumstances = {
    telemetryCounts: telemetryCounts(settings, fast),
    changesTelemetry,
    before: manifest.before ?? [],
  };
  const failed = assertVerified(checks, circumstances, settings.environment, context);
  const { compared, failedBefore } = fast
    ? { compared: undefined, failedBefore: [] }
    : await bake({ manifest, target, directory, gate, circumstances }, context);
  const unverified = new Map(
    [...failed, ...failedBefore].map(({ name, detail }) => [name, `${name}: ${detail}`]),
  );
  const judged = { compared, unverified: [...unverified.values()] };
  const release = await recorded(releaseInput, at, judged, context);
  return { release, changes, checks, strategy, downtimeSeconds, compared };
}

/** A server may answer well on a schema that is not the one it was meant to have. */
function assertRevision({ id, revision: expected }: Release, at: readonly string[]): void {
  if (sameRevisions(at, expected)) return;
  const reporter = (revisions: readonly string[]) => revisions.join(", ") || "nothing";
  throw new Problem(
    "STEP_FAILED",
    `the database is at ${reporter(at)}, release ${id} has it at ${reporter(expected)}`,
  );
}

/**
 * Compares what runs with the release, part by part, and records it as good.
 * @throws Problem STEP_FAILED where something differs
 */
async function recorded(
  { manifest, target, directory, fast }: ReleaseInput,
  at: readonly string[],
  { compared, unverified }: { compared: Comparison | undefined; unverified: readonly string[] },
  context: Context,
): Promise<Release> {
  const { stack } = target.prepared;
  const migration = manifest.databaseStrategy === "migrate" ? "done" : "idle";
  return context.reporter.step("compare with release and record", async () => {
    const containers = await context.engine.containers(stack.project);
    // What does not come up of the telemetry has been reported, where it does not count.
    const goesWithout = !telemetryCounts(target.settings, fast);
    const isMeant = ({ service, action }: Change) =>
      action === "none" || (goesWithout && isTelemetry(service) && action === "start");
    const differing = planChanges(stack, containers, target.images.idByReference, migration).filter(
      (one) => !isMeant(one),
    );
    if (differing.length > 0) {
      throw new Problem("STEP_FAILED", "what runs is not what the release says", {
        details: differing.map((one) => `${one.service}: ${one.causes.join(", ")}`),
        next: `npm run verify -- ${stack.environment}`,
      });
    }
    const previous = newestGood(directory);
    const services = await madeDigests(manifest, previous, stack.project, directory, context);
    const release: Release = {
      ...manifest,
      outcome: "good",
      ...(compared?.verdict === "worse" ? { worse: compared.why } : {}),
      ...(unverified.length > 0 ? { unverified } : {}),
      revision: at,
      services,
      seconds: Math.max(0, (context.now() - Date.parse(manifest.created)) / 1000),
    };
    updateRelease(directory, release);
    const server = await databaseServing(target, context);
    const { encryptionKey } = manifest;
    const mark = runMarks({ directory, context }, manifest)("live");
    await markLive(server, { ...mark, encryptionKey }, context);
    return release;
  });
}
