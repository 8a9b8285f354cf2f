/** No connection came about: the clients give no SQLSTATE then. */
const noConnection = "08000";

const mostLines = 8;

/** Where in Postgres' source, which object again, which line of our own statement: not for people. */
const noise =
  /^(?:LOCATION|(?:SCHEMA|TABLE|COLUMN|DATATYPE|CONSTRAINT) NAME): |^LINE \d+:|^pg_dump: detail: Query was: |^\s*\^?\s*$/u;

/**
 * What Postgres or one of its clients said when it failed, without the contents of rows:
 * those do not belong into a log.
 * @param stderr of psql (verbose, any language), pg_dump or pg_restore
 * @returns the SQLSTATE where psql printed it, else 08000; and the words, a line each
 */
export function postgresWords(stderr: string): { state: string; words: string[] } {
  const stated = /^\S+: {2}([0-9A-Z]{5}): /mu.exec(stderr);
  const [said = ""] = stderr.split(/^Command was: /mu);
  const words = said
    .split("\n")
    .filter((line) => !noise.test(line) && !/Failing row contains/u.test(line))
    .map((line) =>
      line
        .replace(/^(\S+): {2}[0-9A-Z]{5}: /u, "$1: ")
        .replace(/^(\S+: {2}COPY .*, line \d+(?:, column [^:]*)?): .*$/u, "$1")
        .replace(/^pg_(?:dump|restore): (?:error: )?/u, "")
        .replace(/ {2}/gu, " ")
        .trim(),
    );
  return { state: stated?.[1] ?? noConnection, words: words.slice(0, mostLines) };
}
