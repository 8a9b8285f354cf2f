import { diagnose, failed, skipped, type Finding, type Judgement } from "../diagnosis/diagnose.ts";
import { diagnoseArrival } from "../diagnosis/diagnoseArrival.ts";
import { diagnoseConnection } from "../diagnosis/diagnoseConnection.ts";
import { diagnoseLogin, pingClickHouse } from "../diagnosis/diagnoseLogin.ts";
import { diagnoseKept } from "../diagnosis/diagnosePrivacy.ts";
import { diagnoseRoom } from "../diagnosis/diagnoseRoom.ts";
import { diagnoseTables } from "../diagnosis/diagnoseTables.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import type { Tools } from "../parts/tools.ts";
import type { ClickHouseReader } from "../verification/askClickHouse.ts";
import type { TelemetryScene } from "./examineTelemetry.ts";
import { fromCollector, runningCollector } from "./fromCollector.ts";

/** Spans of this long at most tell what the collector lets pass now. */
const lookBackSeconds = 3600;

/** Whether ClickHouse answers, knows its two users, and has the tables, the room and the rows of now. */
export async function examineClickHouse(scene: TelemetryScene, tools: Tools): Promise<Finding[]> {
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
