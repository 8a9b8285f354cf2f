import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import { checkStack } from "../stack/checkStack.ts";
import { chooseProfile } from "../stack/fragments.ts";
import { explainRefusal, validationEnvironment } from "../stack/explainRefusal.ts";
import type { Context } from "../state/context.ts";
import type { Images } from "./obtainImages.ts";
import {
  assertDiskSpace,
  assertOwnVolumes,
  assertPortsFree,
  assertStateless,
  assertVersions,
} from "./preflight.ts";
import type { Change } from "./planChanges.ts";
import type { PreparedStack } from "./prepareStack.ts";

export interface CheckedRollout {
  readonly settings: Settings;
  readonly prepared: PreparedStack;
  readonly changes: readonly Change[];
  readonly images: Images;
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether this collector has judged this very configuration before. */
  readonly judged: boolean;
  /** Whether this very stack ran here before: its model need not be judged again. */
  readonly past?: boolean;
}

/**
 * Every check that comes before anything is touched: versions, the model, the collector's own
 * judgement, ports, volumes, disk, parts that hold data.
 * @throws Problem of the check that fails first
 */
export async function checkRollout(
  { settings, prepared, changes, images, recreate, judged, past }: CheckedRollout,
  context: Context,
): Promise<void> {
  const { stack, collector } = prepared;
  assertStateless(stack, changes, recreate);
  await context.reporter.step("preflight", async () => {
    await Promise.all([
      past ? undefined : assertVersions(context),
      past ? undefined : checkStack(stack),
      judged
        ? undefined
        : checkCollectorConfiguration(collector, settings, changes, images, context),
      assertPortsFree(stack, changes, context),
      assertOwnVolumes(stack, changes, context),
      assertDiskSpace("run", context),
    ]);
  });
}

/**
 * Has the target collector itself judge its configuration, before anything stops.
 * @throws Problem COLLECTOR_INVALID with the collector's own words
 */
async function checkCollectorConfiguration(
  configuration: string,
  settings: Settings,
  changes: readonly Change[],
  images: Images,
  context: Context,
): Promise<void> {
  const change = changes.find((one) => one.service === "collector");
  if (change === undefined || !["create", "recreate"].includes(change.action)) return;
  const { code, stderr } = await context.engine.run({
    image: images.bySetting.get("COLLECTOR_IMAGE")!,
    entrypoint: ["/otelcol-contrib", "validate", "--config", "env:CONFIGURATION"],
    environment: validationEnvironment(configuration),
  });
  if (code === 0) return;
  const { root, environment, lookup } = settings;
  const { fragments } = chooseProfile(environment, lookup);
  throw new Problem("COLLECTOR_INVALID", "the collector refuses its configuration", {
    details: [
      ...explainRefusal(root, fragments, lookup, stderr),
      ...stderr.trim().split("\n").slice(-6),
    ],
    next: `npm run render -- ${environment}`,
  });
}
