import { askClickHouse, type ClickHouseReader } from "./askClickHouse.ts";
import { failed, passed, skipped, type CheckResult } from "./runCheck.ts";

/** How late spans came, over the portions they were written in; in seconds. */
export interface Arrival {
  readonly portions: number;
  readonly median: number;
  readonly most: number;
}

/**
 * Each insert makes a part with the time it was written; parts that were merged say no more about
 * their inserts. ClickHouse tells that time in whole seconds.
 */
const query = `SELECT count(), round(median(late), 1), round(max(late), 1) FROM (
  SELECT greatest(0, toUnixTimestamp(any(parts.modification_time))
    - max(toUnixTimestamp64Milli(toDateTime64(Timestamp, 3)) + Duration / 1000000) / 1000) AS late
  FROM otel_traces INNER JOIN system.parts AS parts ON parts.name = otel_traces._part
  WHERE parts.database = {database:String} AND parts.table = 'otel_traces' AND parts.level = 0
    AND parts.modification_time > now() - INTERVAL 1 HOUR
  GROUP BY otel_traces._part) FORMAT TabSeparated`;

/** How long after their end the spans of the last hour came to ClickHouse. */
export async function checkArrival(
  reader: ClickHouseReader,
  database: string,
  expectedMs: number,
  next: string,
): Promise<CheckResult> {
  const { fault, text } = await askClickHouse(reader, database, query, { database });
  if (fault !== 0)
    return skipped(`ClickHouse does not tell: ${text.split("\n")[0]!.slice(0, 200)}`);
  const [portions = 0, median = 0, most = 0] = text.split("\t").map(Number);
  return arrivalResult({ portions, median, most }, expectedMs, next);
}

/** A server that lost its collector asks again after half a minute; deliveries take their time. */
const graceSeconds = 30;

/** @param expectedMs what the settings make spans wait at most */
export function arrivalResult(
  { portions, median, most }: Arrival,
  expectedMs: number,
  next: string,
): CheckResult {
  if (portions === 0) return skipped("no span has come in the last hour, or all were merged");
  const seen = `${median} s after a span's end, ${most} s at most (${portions} inserts)`;
  const expected = `${Number((expectedMs / 1000).toFixed(1))} s`;
  if (median > expectedMs / 1000 + graceSeconds) {
    return failed(`${seen}; expected about ${expected}: the queue is behind, or was`, next);
  }
  return passed(`${seen}; as set up to ${expected} and a delivery`);
}
