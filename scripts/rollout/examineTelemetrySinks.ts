import type { ObservedContainer } from "../engine/engine.ts";
import { askClickHouse, type ClickHouseReader } from "../verification/askClickHouse.ts";
import { diagnose, failed, skipped, type Finding, type Judgement } from "../diagnosis/diagnose.ts";
import { diagnoseArrival } from "../diagnosis/diagnoseArrival.ts";
import { diagnoseLogin, pingClickHouse } from "../diagnosis/diagnoseLogin.ts";
import { diagnoseRoom } from "../diagnosis/diagnoseRoom.ts";
import { diagnoseTables } from "../diagnosis/diagnoseTables.ts";
import { diagnoseClock, type ClockSeen } from "../diagnosis/diagnoseClock.ts";
import {
  addressOf,
  diagnoseConnection,
  reach,
  reachFrom,
} from "../diagnosis/diagnoseConnection.ts";
import { diagnoseDatadog } from "../diagnosis/diagnoseDatadog.ts";
import { diagnoseKept } from "../diagnosis/diagnosePrivacy.ts";
import { diagnoseSigNoz } from "../diagnosis/diagnoseSigNoz.ts";
import type { TelemetryScene } from "./examineTelemetry.ts";
import type { Tools } from "./tools.ts";

const patienceMs = 5000;
/** Spans of this long at most tell what the collector lets pass now. */
const lookBackSeconds = 3600;

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

async function examineClickHouse(scene: TelemetryScene, tools: Tools): Promise<Finding[]> {
  const { settings, expected, next, containers } = scene;
  const reader: ClickHouseReader = { ...expected.clickHouse!, connect: undefined };
  const writer = {
    ...reader,
    user: settings.get("CLICKHOUSE_USERNAME"),
    password: settings.get("CLICKHOUSE_PASSWORD"),
  };
  const database = settings.get("CLICKHOUSE_DATABASE");
  const bundled = settings.get("CLICKHOUSE") === "bundled";
  const part = containers.find((one) => one.service === "clickhouse");
  const away =
    bundled && part?.state !== "running" ? "no ClickHouse of this stack runs" : undefined;
  const [silence, there] =
    away === undefined
      ? await Promise.all([
          pingClickHouse(reader),
          fromCollector(scene, settings.get("CLICKHOUSE_ENDPOINT"), tools),
        ])
      : [undefined, null];
  const fix = bundled ? next.logs("clickhouse") : next.explain("CLICKHOUSE_ENDPOINT");
  const ask = (name: string, make: () => Promise<Judgement>) =>
    diagnose(
      name,
      () =>
        (away ?? silence) === undefined
          ? make()
          : skipped(away ?? "ClickHouse does not answer here"),
      fix,
    );
  const login = (purpose: "writes" | "reads", setting: string) => {
    const asks = purpose === "writes" ? writer : reader;
    // Its users come from its environment, which it has since it was made.
    const way = bundled ? `${next.bringUp} -- --recreate clickhouse` : next.explain(setting);
    return diagnoseLogin({ reader: asks, purpose, database, setting }, way);
  };
  const { tables } = expected.delivery.clickHouse!;
  const removed = settings.get("OTEL_REMOVED_ATTRIBUTES");
  return Promise.all([
    diagnose(
      "ClickHouse answers",
      () => {
        if (away !== undefined) return notRunning(part, away, next.bringUp);
        if (silence?.reached) return failed(`${reader.url}: ${silence.why}`, fix);
        return diagnoseConnection(reader.url, silence?.why, there, fix);
      },
      fix,
    ),
    ask("ClickHouse writer", () => login("writes", "CLICKHOUSE_PASSWORD")),
    ask("ClickHouse reader", () => login("reads", "CLICKHOUSE_READER_PASSWORD")),
    ask("ClickHouse tables", () => {
      const runs = runningCollector(scene)?.health === "healthy";
      return diagnoseTables(reader, database, Object.values(tables), runs, next.logs("collector"));
    }),
    ask("room in ClickHouse", () => diagnoseRoom(reader, next.explain("CLICKHOUSE_TTL"))),
    ask("arrival in ClickHouse", () => {
      const usual = expected.serverGathersMs + expected.delivery.batchMs;
      return diagnoseArrival(reader, database, usual, next.verify);
    }),
    ask("private attributes", async () => {
      const collector = runningCollector(scene);
      if (removed === "") return skipped("OTEL_REMOVED_ATTRIBUTES is empty");
      if (collector === undefined) return skipped("no collector runs");
      const { startedAt } = await tools.engine.inspect(collector.id);
      const since = Math.min(lookBackSeconds, (tools.now() - Date.parse(startedAt)) / 1000);
      return diagnoseKept(reader, database, removed, since, next.bringUp);
    }),
  ]);
}

/** Where its container is there, somebody or something has ended it. */
function notRunning(part: ObservedContainer | undefined, away: string, bringUp: string): Judgement {
  if (part === undefined) return skipped(away);
  const isPaused = part.state === "paused";
  return failed(
    `its container is ${part.state}`,
    isPaused ? `docker unpause ${part.name}` : bringUp,
  );
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

/** @returns why the collector does not reach it, undefined where it does; null where none runs */
async function fromCollector(
  scene: TelemetryScene,
  endpoint: string,
  { engine }: Tools,
): Promise<string | undefined | null> {
  const collector = runningCollector(scene);
  if (collector === undefined) return null;
  return reachFrom(collector.id, addressOf(endpoint), engine);
}

function runningCollector({ containers, expected }: TelemetryScene): ObservedContainer | undefined {
  const [first] = expected.collectors;
  return containers.find((one) => one.service === first?.service && one.state === "running");
}
