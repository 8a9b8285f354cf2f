import { durationMs } from "../common/durationMs.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { keepEvidence } from "../state/evidence.ts";
import type { Release } from "../state/release.ts";
import type { Context } from "../state/context.ts";
import type { Target } from "./target.ts";
import type { VerificationCircumstances } from "./classifyChecks.ts";
import { assertVerified, verifyRelease } from "./verifyRelease.ts";
import { isTelemetry } from "../stack/isTelemetry.ts";
import type { Check } from "../checks/verify.ts";
import { compareReleases, type BakeGate, type Comparison } from "./bakeGate.ts";
import type { Stretch } from "./requestFigures.ts";
import { changesSchema, worseRelease } from "./worseRelease.ts";

export interface Baking {
  readonly manifest: Release;
  readonly target: Target;
  readonly directory: string;
  /** What its requests are compared with; undefined without a comparison. */
  readonly gate: BakeGate | undefined;
  readonly circumstances: VerificationCircumstances;
}

/**
 * Watches a verified release: still green, and nothing started again, to the end of the time; then,
 * where that is asked for, no worse than the release before it.
 * @returns the comparison, also of a release that is worse where going back would cross a
 *   schema change; and the checks that fail as the server failed before
 * @throws Problem STEP_FAILED
 */
export async function bake(
  input: Baking,
  context: Context,
): Promise<{ compared: Comparison | undefined; failedBefore: readonly Check[] }> {
  const { manifest, gate, directory } = input;
  const { stretch, failedBefore } = await stayGreen(input, context);
  if (gate === undefined) return { compared: undefined, failedBefore };
  const comparison = await context.reporter.step(
    "compare with the release before",
    async () => {
      const present = { release: manifest, target: input.target, stretch };
      const compared = await compareReleases(gate, present, directory, context);
      context.signal.throwIfAborted();
      keepEvidence(directory, manifest.id, "bake.json", `${JSON.stringify(compared, null, 2)}\n`);
      const isWorse = compared.verdict === "worse";
      if (isWorse && !changesSchema(manifest.databaseStrategy))
        throw worseRelease(compared, manifest);
      return compared;
    },
    ({ verdict, why }) => (verdict === "unjudged" ? `not judged: ${why}` : `${verdict}: ${why}`),
  );
  return { compared: comparison, failedBefore };
}

async function stayGreen(
  { target, directory, circumstances }: Baking,
  context: Context,
): Promise<{ stretch: Stretch; failedBefore: readonly Check[] }> {
  const { settings, prepared } = target;
  const limit = durationMs(settings.get("BAKE_TIME")) / 1000;
  const { telemetryCounts, changesTelemetry } = circumstances;
  // What became of telemetry that does not count is judged with the checks at the end.
  const isWatched = (name: string) => !isTelemetry(name) || (telemetryCounts && changesTelemetry);
  return context.reporter.step(`stay green for ${limit} s`, async (report) => {
    // Under a load that was there before, a health check that comes late says nothing.
    const countsHealth = (circumstances.before ?? []).length === 0;
    const before = await restartsOf(settings.project, countsHealth, context);
    const started = context.now();
    for (;;) {
      context.signal.throwIfAborted();
      const passed = (context.now() - started) / 1000;
      const now = await restartsOf(settings.project, countsHealth, context);
      const fallen = [...before].filter(
        ([name, count]) => isWatched(name) && now.get(name) !== count,
      );
      if (fallen.length > 0) {
        throw new Problem("STEP_FAILED", "a service did not stay up after it was verified", {
          details: fallen.map(([name]) => `${name}: ${now.get(name) ?? "is gone"}`),
          next: `npm run logs -- ${settings.environment} ${fallen[0]![0]}`,
        });
      }
      if (passed >= limit) break;
      report(`${(limit - passed).toFixed(0)} s to go`);
      await sleep(Math.min(1000, (limit - passed) * 1000));
    }
    const stretch = { fromMs: started, toMs: context.now() };
    const checks = await verifyRelease(settings, prepared, directory, context, "quick");
    const failedBefore = assertVerified(checks, circumstances, settings.environment, context);
    return { stretch, failedBefore };
  });
}

/** How each service is and how often it was started again, as text to compare. */
async function restartsOf(
  project: string,
  countsHealth: boolean,
  context: Context,
): Promise<Map<string, string>> {
  const containers = await context.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => context.engine.inspect(one.id)));
  return new Map(
    seen.map((one) => [
      one.service,
      `${one.state}, ${countsHealth ? `${one.health}, ` : ""}restarted ${one.restarts} times`,
    ]),
  );
}
