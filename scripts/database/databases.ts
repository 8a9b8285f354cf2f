import { askRows } from "./askRows.ts";
import { maintenance } from "./maintenance.ts";
import { readMark, type Mark } from "./marks.ts";
import type { DatabaseServer } from "./sql.ts";

export interface FoundDatabase {
  /** Null for one that may not be looked at. */
  readonly bytes: number | null;
  /** Undefined where it carries none of the tool's. */
  readonly mark: Mark | undefined;
  /** Its operator has written a comment of their own. */
  readonly hasOtherComment?: boolean;
}

/**
 * The databases of a server by their names.
 * @throws Problem DATABASE_REFUSED
 */
export async function databases(server: DatabaseServer): Promise<Map<string, FoundDatabase>> {
  const found = await askRows<{ name: string; bytes: number | null; comment: string | null }>(
    await maintenance(server),
    `SELECT datname AS name, shobj_description(oid, 'pg_database') AS comment,
      CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END AS bytes
      FROM pg_database WHERE NOT datistemplate`,
    "its databases",
  );
  return new Map(
    found.map(({ name, bytes, comment }) => {
      const mark = readMark(comment);
      return [name, { bytes, mark, hasOtherComment: comment !== null && mark === undefined }];
    }),
  );
}

/** The database that this run marked for this purpose, whatever its name is now. */
export function databaseOfRun(
  found: ReadonlyMap<string, FoundDatabase>,
  { installation, run, purpose }: Mark,
): string | undefined {
  if (run === "") return undefined;
  return [...found].find(
    ([, { mark }]) =>
      mark?.installation === installation && mark.run === run && mark.purpose === purpose,
  )?.[0];
}
