import { addressOf, reachFrom } from "../diagnosis/diagnoseConnection.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import type { Tools } from "../parts/tools.ts";
import type { TelemetryScene } from "./examineTelemetry.ts";

/** @returns why the collector does not reach it, undefined where it does; null where none runs */
export async function fromCollector(
  scene: TelemetryScene,
  endpoint: string,
  { engine }: Tools,
): Promise<string | undefined | null> {
  const collector = runningCollector(scene);
  if (collector === undefined) return null;
  return reachFrom(collector.id, addressOf(endpoint), engine);
}

/** The first of them, where it runs. */
export function runningCollector({
  containers,
  expected,
}: TelemetryScene): ObservedContainer | undefined {
  const [first] = expected.collectors;
  return containers.find((one) => one.service === first?.service && one.state === "running");
}
