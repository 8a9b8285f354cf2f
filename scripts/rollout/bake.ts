import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { keepEvidence } from "../ledger/evidence.ts";
import type { Release } from "../ledger/release.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
import type { ProofCircumstances } from "../proof/judgeProof.ts";
import { expectProven, proveStack } from "../proof/proveStack.ts";
import { isTelemetry } from "../stack/isTelemetry.ts";
import type { Check } from "../verification/verify.ts";
import { compareReleases, type BakeGate, type Comparison } from "./bakeGate.ts";
import type { Stretch } from "./requestFigures.ts";
import { changesSchema, worseRelease } from "./worseRelease.ts";

export interface Baking {
  readonly sheet: Release;
  readonly target: Target;
  readonly directory: string;
  /** What its requests are compared with; undefined where nobody asked for that. */
  readonly gate: BakeGate | undefined;
  readonly circumstances: ProofCircumstances;
}

/**
 * Watches what was proven: still green, and nothing started again, to the end of the time; then,
 * where that is asked for, no worse than the release before it.
 * @returns the comparison, also of a release that is worse where going back would cross a
 *   schema change; and the checks that fail as the server failed before
 * @throws Problem STEP_FAILED
 */
export async function bake(
  asked: Baking,
  tools: Tools,
): Promise<{ compared: Comparison | undefined; failedBefore: readonly Check[] }> {
  const { sheet, gate, directory } = asked;
  const { stretch, failedBefore } = await stayGreen(asked, tools);
  if (gate === undefined) return { compared: undefined, failedBefore };
  const comparison = await tools.say.step(
    "compare with the release before",
    async () => {
      const present = { release: sheet, target: asked.target, stretch };
      const compared = await compareReleases(gate, present, directory, tools);
      tools.signal.throwIfAborted();
      keepEvidence(directory, sheet.id, "bake.json", `${JSON.stringify(compared, null, 2)}\n`);
      const isWorse = compared.verdict === "worse";
      if (isWorse && !changesSchema(sheet.way)) throw worseRelease(compared, sheet);
      return compared;
    },
    ({ verdict, why }) => (verdict === "unjudged" ? `not judged: ${why}` : `${verdict}: ${why}`),
  );
  return { compared: comparison, failedBefore };
}

async function stayGreen(
  { target, directory, circumstances }: Baking,
  tools: Tools,
): Promise<{ stretch: Stretch; failedBefore: readonly Check[] }> {
  const { settings, prepared } = target;
  const limit = Number(settings.get("BAKE_SECONDS"));
  const { telemetryCounts, changesTelemetry } = circumstances;
  // What became of telemetry that does not count is judged with the checks at the end.
  const isWatched = (name: string) => !isTelemetry(name) || (telemetryCounts && changesTelemetry);
  return tools.say.step(`stay green for ${limit} s`, async (report) => {
    // Under a load that was there before, a health check that comes late says nothing.
    const countsHealth = (circumstances.before ?? []).length === 0;
    const before = await restartsOf(settings.project, countsHealth, tools);
    const started = tools.now();
    for (;;) {
      tools.signal.throwIfAborted();
      const passed = (tools.now() - started) / 1000;
      const now = await restartsOf(settings.project, countsHealth, tools);
      const fallen = [...before].filter(
        ([name, count]) => isWatched(name) && now.get(name) !== count,
      );
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
    const stretch = { fromMs: started, toMs: tools.now() };
    const checks = await proveStack(settings, prepared, directory, tools, "quick");
    const failedBefore = expectProven(checks, circumstances, settings.environment, tools);
    return { stretch, failedBefore };
  });
}

/** How each part is and how often it was started again, as text to compare. */
async function restartsOf(
  project: string,
  countsHealth: boolean,
  tools: Tools,
): Promise<Map<string, string>> {
  const containers = await tools.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => tools.engine.inspect(one.id)));
  return new Map(
    seen.map((one) => [
      one.service,
      `${one.state}, ${countsHealth ? `${one.health}, ` : ""}restarted ${one.restarts} times`,
    ]),
  );
}
