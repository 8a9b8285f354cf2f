import { Problem } from "../common/problem.ts";
import type { Change } from "./planChanges.ts";
import type { Images } from "./chooseImages.ts";
import type { Tools } from "./tools.ts";

/**
 * Has the target collector itself judge its configuration, before anything stops.
 * @throws Problem COLLECTOR_INVALID with the collector's own words
 */
export async function validateCollector(
  configuration: string,
  environment: string,
  changes: readonly Change[],
  images: Images,
  tools: Tools,
): Promise<void> {
  const change = changes.find((one) => one.service === "collector");
  if (change === undefined || !["create", "recreate"].includes(change.action)) return;
  const { code, stderr } = await tools.engine.run({
    image: images.bySetting.get("COLLECTOR_IMAGE")!,
    entrypoint: ["/otelcol-contrib", "validate", "--config", "env:CONFIGURATION"],
    // Secrets it reads from its own environment; here any value serves.
    environment: { CONFIGURATION: configuration },
  });
  if (code === 0) return;
  throw new Problem("COLLECTOR_INVALID", "the collector refuses its configuration", {
    details: stderr.trim().split("\n").slice(-6),
    next: `npm run render -- ${environment}`,
  });
}
