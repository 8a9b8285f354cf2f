import { addressOf, reachFrom } from "../../checks/checkConnection.ts";
import type { ObservedContainer } from "../../docker/engine.ts";
import type { Context } from "../../state/context.ts";
import type { TelemetryScene } from "./runTelemetryChecks.ts";

/** @returns why the collector does not reach it, undefined where it does; null where none runs */
export async function fromCollector(
  scene: TelemetryScene,
  endpoint: string,
  { engine }: Context,
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
