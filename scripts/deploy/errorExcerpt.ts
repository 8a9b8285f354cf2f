const lastLines = 12;
const longestLine = 240;

/** How programs begin to say what went wrong: Python's `some.module.KeyError: `, Postgres' `ERROR: `. */
const says = /(^|[\s.])(\w*(Error|Exception)|ERROR|FATAL|PANIC|panic|error): /;

/**
 * Of a broken part's log, enough to see the cause: its last lines, and before them the last one
 * that names an error, as what is printed with that may be longer (SQLAlchemy adds the statement).
 */
export function errorExcerpt(log: string): string[] {
  const lines = log.split("\n");
  const last = lines.slice(-lastLines);
  const cause = lines.findLast((one) => says.test(one));
  const reported = cause === undefined || last.includes(cause) ? last : [cause, ...last.slice(1)];
  return reported.map((line) => line.slice(0, longestLine));
}
