import {
  runCheck,
  failed,
  skipped,
  type Finding,
  type CheckResult,
} from "../../checks/runCheck.ts";
import { checkArrival } from "../../checks/checkArrival.ts";
import { checkConnection } from "../../checks/checkConnection.ts";
import { checkLogin, pingClickHouse } from "../../checks/checkLogin.ts";
import { checkRetained } from "../../checks/checkPrivacy.ts";
import { checkDiskSpace } from "../../checks/checkDiskSpace.ts";
import { checkTables } from "../../checks/checkTables.ts";
import type { ObservedContainer } from "../../docker/engine.ts";
import type { Context } from "../../state/context.ts";
import type { ClickHouseReader } from "../../checks/askClickHouse.ts";
import type { TelemetryScene } from "./runTelemetryChecks.ts";
import { fromCollector, runningCollector } from "./fromCollector.ts";

/** Spans of this long at most tell what the collector lets pass now. */
const lookBackSeconds = 3600;

/** Whether ClickHouse answers, knows its two users, and has the tables, the space and recent rows. */
export async function runClickHouseChecks(
  scene: TelemetryScene,
  context: Context,
): Promise<Finding[]> {
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
