import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Schema } from "../database/readSchema.ts";
import { writeFile } from "./writeFile.ts";

const pathOf = (directory: string, id: string) =>
  join(directory, "releases", id, "schema-before.json");

/**
 * Writes down the live database's schema, right before a release's migration begins on it. From then on the
 * migration may have begun; and what it has changed is known without a copy of the database.
 */
export function keepSchemaBefore(directory: string, id: string, schema: Schema): void {
  writeFile(pathOf(directory, id), `${JSON.stringify(schema)}\n`);
}

/** Undefined where the release's migration has not begun. */
export function schemaBefore(directory: string, id: string): Schema | undefined {
  const path = pathOf(directory, id);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Schema) : undefined;
}
