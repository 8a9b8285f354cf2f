import { Problem } from "../common/problem.ts";
import type { Cutover } from "../cutover/chooseCutover.ts";
import { cutOver, migrationOf } from "../cutover/cutOver.ts";
import { databaseServing } from "../cutover/databaseServing.ts";
import type { NextRelease } from "../cutover/nextRelease.ts";
import { revision } from "../database/revision.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import type { Release } from "../ledger/release.ts";
import { newestGood, updateRelease } from "../ledger/releases.ts";
import { planChanges, type Change } from "../parts/planChanges.ts";
import { telemetryCounts } from "../parts/telemetryCounts.ts";
import type { Tools } from "../parts/tools.ts";
import { madeDigests } from "../preparation/madeDigests.ts";
import { keepImages } from "../preparation/pinImages.ts";
import { checksSummary, expectProven, proveStack } from "../proof/proveStack.ts";
import { isTelemetry } from "../stack/isTelemetry.ts";
import type { Check } from "../verification/verify.ts";
import { bake } from "./bake.ts";
import type { BakeGate, Comparison } from "./bakeGate.ts";
import { expectValidIndexes } from "./expectValidIndexes.ts";
import { markLive } from "./markLive.ts";
import { runMarks } from "./runMarks.ts";

export interface Activation extends NextRelease {
  /** What its requests are compared with after the bake time, where that was asked for. */
  readonly gate?: BakeGate | undefined;
}

export interface Activated {
  readonly release: Release;
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly cutover: Cutover;
  /** How long no server answered; null where the server was not touched. */
  readonly awaySeconds: number | null;
  /** How it did beside the release before; undefined where nobody asked for that. */
  readonly compared: Comparison | undefined;
}

/**
 * Makes a release the one that runs, and proves it: the one road that deploys, rollbacks and
 * ways back have in common.
 * @throws Problem STEP_FAILED at the first thing that is not as it should be
 */
export async function activate(activation: Activation, tools: Tools): Promise<Activated> {
  const { sheet, target } = activation;
  const observed = await tools.engine.containers(target.settings.project);
  const imageIds = Object.values(sheet.services).map((one) => one.imageId);
  const keeping = keepImages(target.settings, imageIds, tools);
  keeping.catch(() => undefined); // it is asked before the proof
  try {
    return await bringToServe({ ...activation, observed, keeping }, tools);
  } finally {
    // Who leaves here may let go of the lock, and must have nothing under way any more.
    await Promise.allSettled([keeping]);
  }
}

interface Begun extends Activation {
  readonly observed: readonly ObservedContainer[];
  readonly keeping: Promise<void>;
}

async function bringToServe(activation: Begun, tools: Tools): Promise<Activated> {
  const { sheet, target, directory, incident, gate, observed, keeping } = activation;
  const { settings, prepared, images } = target;
  const { stack } = prepared;
  const migration = migrationOf(activation);
  const changes = planChanges(stack, observed, images.idByReference, migration);
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  // A collector that stays can be proven while the server boots.
  const telemetry =
    incident && !isTouched("collector")
      ? proveStack(settings, prepared, directory, tools, "telemetry")
      : undefined;
  telemetry?.catch(() => undefined); // it is looked at later, if nothing else fails before
  const { cutover, awaySeconds } = await cutOver({ next: activation, observed, changes }, tools);
  const database = (await databaseServing(target, tools)).database();
  const at = await revision(database, stack.server.revisionQuery);
  expectRevision(sheet, at);
  if (migration !== "idle") await expectValidIndexes(database);
  await keeping;
  const checks = await tools.say.step(
    "proof",
    async () => {
      if (!incident) return proveStack(settings, prepared, directory, tools, "whole");
      const [sent, server] = await Promise.all([
        telemetry ?? proveStack(settings, prepared, directory, tools, "telemetry"),
        proveStack(settings, prepared, directory, tools, "server"),
      ]);
      return [...sent, ...server];
    },
    checksSummary,
  );
  const changesTelemetry = stack.services.some(({ name }) => isTelemetry(name) && isTouched(name));
  const circumstances = {
    telemetryCounts: telemetryCounts(settings, incident),
    changesTelemetry,
    before: sheet.before ?? [],
  };
  const failed = expectProven(checks, circumstances, settings.environment, tools);
  const { compared, failedBefore } = incident
    ? { compared: undefined, failedBefore: [] }
    : await bake({ sheet, target, directory, gate, circumstances }, tools);
  const unverified = new Map(
    [...failed, ...failedBefore].map(({ name, detail }) => [name, `${name}: ${detail}`]),
  );
  const judged = { compared, unverified: [...unverified.values()] };
  const release = await recorded(activation, at, judged, tools);
  return { release, changes, checks, cutover, awaySeconds, compared };
}

/** A server may answer well on a schema that is not the one it was meant to have. */
function expectRevision({ id, revision: expected }: Release, at: readonly string[]): void {
  if (sameRevisions(at, expected)) return;
  const say = (revisions: readonly string[]) => revisions.join(", ") || "nothing";
  throw new Problem(
    "STEP_FAILED",
    `the database is at ${say(at)}, release ${id} has it at ${say(expected)}`,
  );
}

/**
 * Compares what runs with the release, part by part, and records it as good.
 * @throws Problem STEP_FAILED where something differs
 */
async function recorded(
  { sheet, target, directory, incident }: Activation,
  at: readonly string[],
  { compared, unverified }: { compared: Comparison | undefined; unverified: readonly string[] },
  tools: Tools,
): Promise<Release> {
  const { stack } = target.prepared;
  const migration = sheet.way === "migrate" ? "done" : "idle";
  return tools.say.step("compare with the release, record", async () => {
    const containers = await tools.engine.containers(stack.project);
    // What does not come up of the telemetry has been told, where it does not count.
    const goesWithout = !telemetryCounts(target.settings, incident);
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
    const former = newestGood(directory);
    const services = await madeDigests(sheet, former, stack.project, directory, tools);
    const release: Release = {
      ...sheet,
      outcome: "good",
      ...(compared?.verdict === "worse" ? { worse: compared.why } : {}),
      ...(unverified.length > 0 ? { unverified } : {}),
      revision: at,
      services,
      seconds: Math.max(0, (tools.now() - Date.parse(sheet.created)) / 1000),
    };
    updateRelease(directory, release);
    const server = await databaseServing(target, tools);
    const { encryptionKey } = sheet;
    const mark = runMarks({ directory, tools }, sheet)("live");
    await markLive(server, { ...mark, encryptionKey }, tools);
    return release;
  });
}
