import { compare } from "semver";
import { versionSteps } from "./versionSteps.ts";

/**
 * What has to be done to ClickHouse's tables before a version of the collector writes to them,
 * whichever version made them: everything of versions up to it, and what newer ones' tables need
 * for it to write there. Harmless where it is done already.
 * @returns SQL for the collector's database, oldest first
 */
export function migrateTables(version: string): string[] {
  return versionSteps.flatMap((step) =>
    compare(step.version, version) <= 0 ? (step.schema ?? []) : (step.back ?? []),
  );
}

const unitSeconds = { Second: 1, Minute: 60, Hour: 3600, Day: 86_400 } as const;

/**
 * The exporter says how long rows are retained when it makes a table, and never again.
 * @param table its name
 * @param create its definition, as ClickHouse keeps it
 * @param seconds how long rows are to be retained
 * @returns the SQL that makes it so; nothing where it is so, or was made without a limit
 */
export function migrateRetention(
  table: string,
  create: string,
  seconds: number,
): string | undefined {
  const found = /\bTTL (.+?) \+ toInterval(Second|Minute|Hour|Day)\((\d+)\)/.exec(create);
  if (found === null) return undefined;
  const [, column, unit, count] = found;
  if (Number(count) * unitSeconds[unit as keyof typeof unitSeconds] === seconds) return undefined;
  return `ALTER TABLE \`${table}\` MODIFY TTL ${column} + toIntervalSecond(${seconds})`;
}
