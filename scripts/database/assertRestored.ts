import { Problem } from "../common/problem.ts";
import type { DumpManifest } from "./dump.ts";
import { readFacts } from "./facts.ts";
import type { Database } from "./sql.ts";

/**
 * Whether a restored database holds what its manifest says: every table's rows, the revision,
 * and no index that is not valid.
 * @param revisionQuery the role's own, see x-app in compose/server.yaml
 * @throws Problem BACKUP_DAMAGED naming each difference, DATABASE_REFUSED
 */
export async function assertRestored(
  database: Database,
  manifest: DumpManifest,
  revisionQuery: string,
): Promise<void> {
  const found = await readFacts(database, revisionQuery);
  const tables = new Set([...Object.keys(manifest.rows), ...Object.keys(found.rows)]);
  const rows = [...tables]
    .filter((table) => manifest.rows[table] !== found.rows[table])
    .map((table) => `${table}: expected ${count(manifest, table)}, got ${count(found, table)}`);
  const revision =
    manifest.revision.join(", ") === found.revision.join(", ")
      ? []
      : [`revision: expected ${manifest.revision.join(", ")}, got ${found.revision.join(", ")}`];
  const indexes = found.invalidIndexes.map((name) => `${name}: expected a valid index`);
  const details = [...rows, ...revision, ...indexes];
  if (details.length === 0) return;
  throw new Problem("BACKUP_DAMAGED", "the restored database is not the one that was dumped", {
    details,
  });
}

function count({ rows }: Pick<DumpManifest, "rows">, table: string): string {
  return rows[table] === undefined ? "no such table" : `${rows[table]} rows`;
}
