import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { revision } from "../database/revision.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Release } from "../ledger/release.ts";
import { newestGood, updateRelease } from "../ledger/releases.ts";
import type { Check } from "../verification/verify.ts";
import type { Cutover } from "./chooseCutover.ts";
import { cutOver, databaseServing } from "./cutOver.ts";
import { expectValidIndexes } from "./expectValidIndexes.ts";
import { madeDigests } from "./madeDigests.ts";
import { keepImages } from "./pinImages.ts";
import { planChanges, type Change } from "./planChanges.ts";
import { checksSummary, expectPassed, proveStack } from "./proveStack.ts";
import type { Target } from "./target.ts";
import type { Tools } from "./tools.ts";

export interface Activation {
  /** The release as it was begun. */
  readonly sheet: Release;
  readonly target: Target;
  readonly directory: string;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  /** In an incident nobody waits for spans on their way, nor for a bake time. */
  readonly incident: boolean;
  /** What is done to the database while no server is on it. */
  readonly awayWork: ((server: DatabaseServer, tools: Tools) => Promise<void>) | undefined;
}

export interface Activated {
  readonly release: Release;
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly cutover: Cutover;
  /** How long no server answered; null where the server was not touched. */
  readonly awaySeconds: number | null;
}

/**
 * Makes a release the one that runs, and proves it: the one road that deploys, rollbacks and
 * ways back have in common.
 * @throws Problem STEP_FAILED at the first thing that is not as it should be
 */
export async function activate(activation: Activation, tools: Tools): Promise<Activated> {
  const { sheet, target, directory, incident } = activation;
  const { settings, prepared, images } = target;
  const { stack } = prepared;
  const migrates = sheet.way === "migrate";
  const observed = await tools.engine.containers(settings.project);
  const changes = planChanges(stack, observed, images.idByReference, migrates);
  const imageIds = Object.values(sheet.services).map((one) => one.imageId);
  const keeping = keepImages(settings, imageIds, tools);
  keeping.catch(() => undefined); // it is asked before the proof
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  // A collector that stays can be proven while the server boots.
  const telemetry =
    incident && !isTouched("collector")
      ? proveStack(settings, prepared, directory, tools, "telemetry")
      : undefined;
  telemetry?.catch(() => undefined); // it is looked at later, if nothing else fails before
  const databaseNow = () => databaseServing(target, tools);
  const { cutover, awaySeconds } = await cutOver({ activation, observed, changes }, tools);
  if (migrates) await expectValidIndexes((await databaseNow()).database());
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
  expectPassed(checks, settings.environment);
  if (!incident) await bake(activation, tools);
  const server = await databaseNow();
  const at = await revision(server.database(), stack.server.revisionQuery);
  const release = await recorded(activation, at, migrates, tools);
  return { release, changes, checks, cutover, awaySeconds };
}

/** Watches what was proven: still green, and nothing started again, to the end of the time. */
async function bake({ target, directory }: Activation, tools: Tools): Promise<void> {
  const { settings, prepared } = target;
  const limit = Number(settings.get("BAKE_SECONDS"));
  await tools.say.step(`stay green for ${limit} s`, async (report) => {
    const before = await restartsOf(settings.project, tools);
    const started = tools.now();
    for (;;) {
      tools.signal.throwIfAborted();
      const passed = (tools.now() - started) / 1000;
      const now = await restartsOf(settings.project, tools);
      const fallen = [...before].filter(([name, count]) => now.get(name) !== count);
      if (fallen.length > 0) {
        throw new Problem("STEP_FAILED", "a part did not stay up after it was proven", {
          details: fallen.map(([name]) => `${name}: ${now.get(name) ?? "is gone"}`),
          next: `npm run logs -- ${settings.environment} ${fallen[0]![0]}`,
        });
      }
      if (passed >= limit) break;
      report(`${(limit - passed).toFixed(0)} s to go`);
      await sleep(Math.min(1000, (limit - passed) * 1000));
    }
    const checks = await proveStack(settings, prepared, directory, tools, "quick");
    expectPassed(checks, settings.environment);
  });
}

/** How each part is and how often it was started again, as text to compare. */
async function restartsOf(project: string, tools: Tools): Promise<Map<string, string>> {
  const containers = await tools.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => tools.engine.inspect(one.id)));
  return new Map(
    seen.map((one) => [
      one.service,
      `${one.state}, ${one.health}, restarted ${one.restarts} times`,
    ]),
  );
}

/**
 * Compares what runs with the release, part by part, and records it as good.
 * @throws Problem STEP_FAILED where something differs
 */
async function recorded(
  { sheet, target, directory }: Activation,
  at: readonly string[],
  migrates: boolean,
  tools: Tools,
): Promise<Release> {
  const { stack } = target.prepared;
  return tools.say.step("compare with the release, record", async () => {
    const containers = await tools.engine.containers(stack.project);
    const differing = planChanges(stack, containers, target.images.idByReference, migrates).filter(
      (one) => one.action !== "none",
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
      revision: at,
      services,
      seconds: Math.max(0, (tools.now() - Date.parse(sheet.created)) / 1000),
    };
    updateRelease(directory, release);
    return release;
  });
}
