/** What a dashboard is looked at with. */
export interface Look {
  /** Seconds since 1970. */
  readonly from: number;
  readonly to: number;
  /** Seconds between two points of a graph. */
  readonly interval: number;
  /** What is chosen, by variable: as it would stand in the SQL with the format sqlstring. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * Stands for what Grafana and the ClickHouse plugin make of a query before they send it: of the
 * plugin's macros the three that the dashboards use, worded as its version 4 words them, and
 * `${name:sqlstring}`. Anything else with a `$` is refused, as nothing would fill it here.
 * @throws Error naming what cannot be filled
 */
export function expandMacros(sql: string, look: Look): string {
  const macros: Readonly<Record<string, (column: string) => string>> = {
    timeFilter: (column) =>
      `${column} >= toDateTime(${look.from}) AND ${column} <= toDateTime(${look.to})`,
    timeInterval: (column) =>
      `toStartOfInterval(toDateTime(${column}), INTERVAL ${look.interval} second)`,
  };
  const filled = sql
    .replace(/\$__(timeFilter|timeInterval)\(([\w.]+)\)/g, (_whole, name: string, column: string) =>
      macros[name]!(column),
    )
    .replace(/\$__interval_s\b/g, String(look.interval))
    .replace(/\$\{(\w+):sqlstring\}/g, (whole, name: string) => look.variables[name] ?? whole);
  const left = /\$\S*/.exec(filled);
  if (left) throw new Error(`nothing fills ${left[0]}`);
  return filled;
}
