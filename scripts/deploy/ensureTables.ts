import { migrateRetention, migrateTables } from "../stack/migrateTables.ts";
import { durationMs } from "../common/durationMs.ts";
import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import { askClickHouse } from "../checks/askClickHouse.ts";
import type { Context } from "../state/context.ts";

/** No such table or database: the exporter makes it as it wants it. */
const notYet = [60, 81];

/**
 * Brings the tables of a bundled ClickHouse to what the collector that is about to start needs,
 * and their rows to the age that is set. One outside is its owner's: the plan tells the SQL.
 * @throws Problem STEP_FAILED with ClickHouse's own words
 */
export async function ensureTables(settings: Settings, context: Context): Promise<void> {
  if (settings.get("CLICKHOUSE_MODE") !== "bundled") return;
  const reader = {
    url: `http://127.0.0.1:${settings.get("CLICKHOUSE_PUBLISH_PORT")}`,
    user: "admin",
    password: settings.get("CLICKHOUSE_ADMIN_PASSWORD"),
    caCertificate: undefined,
    connect: undefined,
  };
  const database = settings.get("CLICKHOUSE_DATABASE");
  const ask = async (query: string) => {
    const { text, fault } = await askClickHouse(reader, database, query, { database });
    if (fault === 0) return text;
    if (notYet.includes(fault)) return "";
    throw new Problem("STEP_FAILED", "ClickHouse's tables cannot be made fit for the collector", {
      details: [query, text.split("\n")[0]!.slice(0, 300)],
      next: `npm run logs -- ${settings.environment} clickhouse`,
    });
  };
  const tables = await ask(
    "SELECT name, create_table_query FROM system.tables WHERE database = {database:String} AND name LIKE 'otel%' AND engine LIKE '%MergeTree' ORDER BY name FORMAT JSONEachRow",
  );
  if (tables === "") return;
  await context.reporter.step("telemetry tables", async () => {
    for (const statement of migrateTables(settings.get("OTEL_VERSION"))) await ask(statement);
    const seconds = Math.round(durationMs(settings.get("CLICKHOUSE_TTL")) / 1000);
    for (const line of tables.split("\n")) {
      const { name, create_table_query: create } = JSON.parse(line) as Record<string, string>;
      const statement = migrateRetention(name!, create!, seconds);
      if (statement !== undefined) await ask(statement);
    }
  });
}
