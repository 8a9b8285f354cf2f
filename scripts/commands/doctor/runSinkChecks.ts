import { runCheck, skipped, type Finding } from "../../checks/runCheck.ts";
import { checkClock, type ClockSeen } from "../../checks/checkClock.ts";
import { addressOf, checkConnection, reach } from "../../checks/checkConnection.ts";
import { checkDatadog } from "../../checks/checkDatadog.ts";
import { checkSigNoz } from "../../checks/checkSigNoz.ts";
import type { Context } from "../../state/context.ts";
import { askClickHouse } from "../../checks/askClickHouse.ts";
import { runClickHouseChecks } from "./runClickHouseChecks.ts";
import type { TelemetryScene } from "./runTelemetryChecks.ts";
import { fromCollector, runningCollector } from "./fromCollector.ts";

const patienceMs = 5000;

/** Whether each sink that telemetry goes to is reached, knows us, and has what it needs. */
export async function runSinkChecks(scene: TelemetryScene, context: Context): Promise<Finding[]> {
  const { expected } = scene;
  const goesTo = (type: string) =>
    expected.delivery.routes.some((one) => one.exporter.split("/")[0] === type);
  const found = await Promise.all([
    ...(expected.clickHouse === undefined ? [] : [runClickHouseChecks(scene, context)]),
    ...(goesTo("otlp") ? [runSigNozCheck(scene, context)] : []),
    ...(goesTo("datadog") ? [runDatadogCheck(scene)] : []),
    runClockChecks(scene, context),
  ]);
  return found.flat();
}

async function runSigNozCheck(scene: TelemetryScene, context: Context): Promise<Finding[]> {
  const { settings, caCertificate, next } = scene;
  const endpoint = settings.get("SIGNOZ_ENDPOINT");
  const address = addressOf(endpoint);
  const fix = next.explain("SIGNOZ_ENDPOINT");
  const [here, there] = await Promise.all([
    reach(address, caCertificate, patienceMs),
    fromCollector(scene, endpoint, context),
  ]);
  const key = settings.get("SIGNOZ_INGESTION_KEY");
  const input = { caCertificate, now: context.now };
  return Promise.all([
    runCheck("SigNoz answers", () => checkConnection(endpoint, here, there, fix), fix),
    runCheck(
      "SigNoz key",
      () =>
        here === undefined
          ? checkSigNoz(address, key, input, next.explain("SIGNOZ_INGESTION_KEY"))
          : skipped("SigNoz does not answer here"),
      fix,
    ),
  ]);
}

function runDatadogCheck({ settings, caCertificate, next }: TelemetryScene): Promise<Finding> {
  const fix = next.explain("DD_API_KEY");
  const account = {
    site: settings.get("DD_SITE"),
    intake: settings.get("DD_URL"),
    key: settings.get("DD_API_KEY"),
    caCertificate,
  };
  return runCheck("Datadog key", () => checkDatadog(account, fix), fix);
}

/** Of the collector's container, and of ClickHouse, which may be on another machine. */
function runClockChecks(scene: TelemetryScene, { engine, now }: Context): Promise<Finding> {
  const { expected, next } = scene;
  const collector = runningCollector(scene);
  const reader = expected.clickHouse;
  const read = async (where: string, stepMs: number, ask: () => Promise<number>) => {
    const beforeMs = now();
    const atMs = await ask().catch(() => Number.NaN);
    return Number.isFinite(atMs) ? [{ where, atMs, stepMs, beforeMs, afterMs: now() }] : [];
  };
  return runCheck(
    "clocks",
    async () => {
      const clocks: ClockSeen[][] = await Promise.all([
        collector === undefined
          ? []
          : read("the collector's container", 1000, async () => {
              const { stdout } = await engine.exec(collector.id, ["/probe/busybox", "date", "+%s"]);
              return Number(stdout.trim() || Number.NaN) * 1000;
            }),
        reader === undefined
          ? []
          : read("ClickHouse", 1, async () => {
              const asks = { ...reader, connect: undefined };
              const query = "SELECT toUnixTimestamp64Milli(now64(3))";
              const { text, fault } = await askClickHouse(asks, "default", query, {});
              return fault === 0 ? Number(text) : Number.NaN;
            }),
      ]);
      return checkClock(clocks.flat(), "timedatectl status   (on each machine)");
    },
    next.verify,
  );
}
