import { askClickHouse, type ClickHouseAnswer, type ClickHouseReader } from "./askClickHouse.ts";
import { failed, passed, skipped, type CheckResult } from "./runCheck.ts";

/** Whether the tables are there that telemetry goes to. */
export async function checkTables(
  reader: ClickHouseReader,
  database: string,
  expected: readonly string[],
  collectorRuns: boolean,
  next: string,
): Promise<CheckResult> {
  const query = "SELECT name FROM system.tables WHERE database = {database:String} ORDER BY name";
  const answer = await askClickHouse(reader, "default", query, { database });
  return tablesResult(answer, database, expected, collectorRuns, next);
}

/** @param answer the names of the database's tables, one a line */
export function tablesResult(
  answer: ClickHouseAnswer,
  database: string,
  expected: readonly string[],
  collectorRuns: boolean,
  next: string,
): CheckResult {
  if (answer.fault !== 0) {
    return failed(`ClickHouse answers ${answer.text.split("\n")[0]!.slice(0, 300)}`, next);
  }
  const tables = answer.text.split("\n").filter(Boolean);
  const missing = expected.filter((name) => !tables.includes(name));
  if (missing.length === 0) return passed(`${tables.length} tables in ${database}`);
  const what = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not in ${database}`;
  if (!collectorRuns) return skipped(`${what} yet: the collector makes them when it starts`);
  return failed(`${what}, and the collector runs: it may not make them, or writes elsewhere`, next);
}
