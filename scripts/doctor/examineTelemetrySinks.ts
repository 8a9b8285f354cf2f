import { diagnose, skipped, type Finding } from "../diagnosis/diagnose.ts";
import { diagnoseClock, type ClockSeen } from "../diagnosis/diagnoseClock.ts";
import { addressOf, diagnoseConnection, reach } from "../diagnosis/diagnoseConnection.ts";
import { diagnoseDatadog } from "../diagnosis/diagnoseDatadog.ts";
import { diagnoseSigNoz } from "../diagnosis/diagnoseSigNoz.ts";
import type { Tools } from "../parts/tools.ts";
import { askClickHouse } from "../verification/askClickHouse.ts";
import { examineClickHouse } from "./examineClickHouse.ts";
import type { TelemetryScene } from "./examineTelemetry.ts";
import { fromCollector, runningCollector } from "./fromCollector.ts";

const patienceMs = 5000;

/** Whether each sink that telemetry goes to is reached, knows us, and has what it needs. */
export async function examineTelemetrySinks(
  scene: TelemetryScene,
  tools: Tools,
): Promise<Finding[]> {
  const { expected } = scene;
  const goesTo = (type: string) =>
    expected.delivery.routes.some((one) => one.exporter.split("/")[0] === type);
  const found = await Promise.all([
    ...(expected.clickHouse === undefined ? [] : [examineClickHouse(scene, tools)]),
    ...(goesTo("otlp") ? [examineSigNoz(scene, tools)] : []),
    ...(goesTo("datadog") ? [examineDatadog(scene)] : []),
    examineClocks(scene, tools),
  ]);
  return found.flat();
}

async function examineSigNoz(scene: TelemetryScene, tools: Tools): Promise<Finding[]> {
  const { settings, authority, next } = scene;
  const endpoint = settings.get("SIGNOZ_ENDPOINT");
  const address = addressOf(endpoint);
  const fix = next.explain("SIGNOZ_ENDPOINT");
  const [here, there] = await Promise.all([
    reach(address, authority, patienceMs),
    fromCollector(scene, endpoint, tools),
  ]);
  const key = settings.get("SIGNOZ_INGESTION_KEY");
  const asked = { authority, now: tools.now };
  return Promise.all([
    diagnose("SigNoz answers", () => diagnoseConnection(endpoint, here, there, fix), fix),
    diagnose(
      "SigNoz key",
      () =>
        here === undefined
          ? diagnoseSigNoz(address, key, asked, next.explain("SIGNOZ_INGESTION_KEY"))
          : skipped("SigNoz does not answer here"),
      fix,
    ),
  ]);
}

function examineDatadog({ settings, authority, next }: TelemetryScene): Promise<Finding> {
  const fix = next.explain("DD_API_KEY");
  const account = {
    site: settings.get("DD_SITE"),
    intake: settings.get("DD_URL"),
    key: settings.get("DD_API_KEY"),
    authority,
  };
  return diagnose("Datadog key", () => diagnoseDatadog(account, fix), fix);
}

/** Of the collector's container, and of ClickHouse, which may be on another machine. */
function examineClocks(scene: TelemetryScene, { engine, now }: Tools): Promise<Finding> {
  const { expected, next } = scene;
  const collector = runningCollector(scene);
  const reader = expected.clickHouse;
  const read = async (where: string, stepMs: number, ask: () => Promise<number>) => {
    const beforeMs = now();
    const atMs = await ask().catch(() => Number.NaN);
    return Number.isFinite(atMs) ? [{ where, atMs, stepMs, beforeMs, afterMs: now() }] : [];
  };
  return diagnose(
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
      return diagnoseClock(clocks.flat(), "timedatectl status   (on each machine)");
    },
    next.verify,
  );
}
