import { askClickHouse, type ClickHouseReader } from "../../checks/askClickHouse.ts";
import { type CheckResult, failed, type Finding, runCheck, skipped } from "../../checks/check.ts";
import {
  checkArrival,
  checkDiskSpace,
  checkLogin,
  checkRetained,
  checkTables,
  pingClickHouse,
} from "../../checks/checkClickHouse.ts";
import { addressOf, checkConnection, reach, reachFrom } from "../../checks/checkConnection.ts";
import { checkDatadog, checkSigNoz } from "../../checks/checkSinks.ts";
import { checkClock, type ClockSeen } from "../../checks/checkTelemetrySettings.ts";
import type { ObservedContainer } from "../../docker/engine.ts";
import type { Context } from "../../state/context.ts";
import type { TelemetryScene } from "./telemetryScene.ts";

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

/** Spans of this long at most tell what the collector lets pass now. */
const lookBackSeconds = 3600;

/** Whether ClickHouse answers, knows its two users, and has the tables, the space and recent rows. */
async function runClickHouseChecks(scene: TelemetryScene, context: Context): Promise<Finding[]> {
  const { settings, expected, next, containers } = scene;
  const reader: ClickHouseReader = { ...expected.clickHouse!, connect: undefined };
  const writer = {
    ...reader,
    user: settings.get("CLICKHOUSE_USERNAME"),
    password: settings.get("CLICKHOUSE_PASSWORD"),
  };
  const database = settings.get("CLICKHOUSE_DATABASE");
  const bundled = settings.get("CLICKHOUSE_MODE") === "bundled";
  const part = containers.find((one) => one.service === "clickhouse");
  const away =
    bundled && part?.state !== "running" ? "no ClickHouse of this stack runs" : undefined;
  const [silence, there] =
    away === undefined
      ? await Promise.all([
          pingClickHouse(reader),
          fromCollector(scene, settings.get("CLICKHOUSE_ENDPOINT"), context),
        ])
      : [undefined, null];
  const fix = bundled ? next.logs("clickhouse") : next.explain("CLICKHOUSE_ENDPOINT");
  const ask = (name: string, make: () => Promise<CheckResult>) =>
    runCheck(
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
    const nextCommand = bundled
      ? `${next.bringUp} -- --recreate clickhouse`
      : next.explain(setting);
    return checkLogin({ reader: asks, purpose, database, setting }, nextCommand);
  };
  const { tables } = expected.delivery.clickHouse!;
  const removed = settings.get("OTEL_REMOVED_ATTRIBUTES");
  return Promise.all([
    runCheck(
      "ClickHouse answers",
      () => {
        if (away !== undefined) return notRunning(part, away, next.bringUp);
        if (silence?.reached) return failed(`${reader.url}: ${silence.why}`, fix);
        return checkConnection(reader.url, silence?.why, there, fix);
      },
      fix,
    ),
    ask("ClickHouse writer", () => login("writes", "CLICKHOUSE_PASSWORD")),
    ask("ClickHouse reader", () => login("reads", "CLICKHOUSE_READER_PASSWORD")),
    ask("ClickHouse tables", () => {
      const runs = runningCollector(scene)?.health === "healthy";
      return checkTables(reader, database, Object.values(tables), runs, next.logs("collector"));
    }),
    ask("space in ClickHouse", () => checkDiskSpace(reader, next.explain("CLICKHOUSE_TTL"))),
    ask("arrival in ClickHouse", () => {
      const usual = expected.serverBatchDelayMs + expected.delivery.batchMs;
      return checkArrival(reader, database, usual, next.verify);
    }),
    ask("private attributes", async () => {
      const collector = runningCollector(scene);
      if (removed === "") return skipped("OTEL_REMOVED_ATTRIBUTES is empty");
      if (collector === undefined) return skipped("no collector runs");
      const { startedAt } = await context.engine.inspect(collector.id);
      const since = Math.min(lookBackSeconds, (context.now() - Date.parse(startedAt)) / 1000);
      return checkRetained(reader, database, removed, since, next.bringUp);
    }),
  ]);
}

/** Where its container is there, it was stopped from outside. */
function notRunning(
  part: ObservedContainer | undefined,
  away: string,
  bringUp: string,
): CheckResult {
  if (part === undefined) return skipped(away);
  const isPaused = part.state === "paused";
  return failed(
    `its container is ${part.state}`,
    isPaused ? `docker unpause ${part.name}` : bringUp,
  );
}

/** @returns why the collector does not reach it, undefined where it does; null where none runs */
async function fromCollector(
  scene: TelemetryScene,
  endpoint: string,
  { engine }: Context,
): Promise<string | undefined | null> {
  const collector = runningCollector(scene);
  if (collector === undefined) return null;
  return reachFrom(collector.id, addressOf(endpoint), engine);
}

/** The first of them, where it runs. */
function runningCollector({ containers, expected }: TelemetryScene): ObservedContainer | undefined {
  const [first] = expected.collectors;
  return containers.find((one) => one.service === first?.service && one.state === "running");
}
