import { chooseProfile } from "../collector/chooseProfile.ts";
import { explainRefusal } from "../collector/explainRefusal.ts";
import { validationEnvironment } from "../collector/validationEnvironment.ts";
import { Problem } from "../common/problem.ts";
import type { Change } from "../parts/planChanges.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Images } from "./chooseImages.ts";

/**
 * Has the target collector itself judge its configuration, before anything stops.
 * @throws Problem COLLECTOR_INVALID with the collector's own words
 */
export async function validateCollector(
  configuration: string,
  settings: Settings,
  changes: readonly Change[],
  images: Images,
  tools: Tools,
): Promise<void> {
  const change = changes.find((one) => one.service === "collector");
  if (change === undefined || !["create", "recreate"].includes(change.action)) return;
  const { code, stderr } = await tools.engine.run({
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
