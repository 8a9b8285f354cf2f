import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { readFacts } from "./dump.ts";
import { type Database, type DatabaseServer, maintenance } from "./sql.ts";
import { quoteName } from "./psqlClient.ts";
import { pgRestore } from "./restoreDump.ts";

/** Where a server has a Letta: a database and the schema in it. */
export interface LettaPlace {
  readonly database: string;
  readonly schema: string;
  /** Those that are not deleted. */
  readonly agents: number;
}

/** What a Letta's database holds, read in one go and changed in nothing. */
export interface LettaFacts extends LettaPlace {
  /** Such as "15.18". */
  readonly postgres: string;
  /** The cluster's own number; null where the role may not read it. */
  readonly cluster: string | null;
  readonly revision: readonly string[];
  /** Rows of its tables, without their schema's name. */
  readonly rows: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** Extensions that its tables use, with version and schema. */
  readonly vector: { readonly version: string; readonly schema: string } | null;
  readonly agentIds: readonly string[];
  readonly organizations: readonly Organization[];
  /** How agents name their models' providers, such as "openai". */
  readonly providers: readonly string[];
}

/** An organisation, and a user to ask the API as. */
export interface Organization {
  readonly id: string;
  readonly user: string | null;
  /** Those that the API lists: neither deleted nor hidden. */
  readonly agents: number;
}

/** A column that older revisions may lack. */
const isSet = (column: string) => `coalesce((to_jsonb(a) ->> '${column}')::boolean, false)`;
const agentsOf = (schema: string) =>
  `${quoteName(schema)}.agents a WHERE NOT ${isSet("is_deleted")}`;

/** How a revision is asked for in whatever schema it is. */
export const revisionQueryIn = (schema: string) =>
  `SELECT version_num FROM ${quoteName(schema)}.alembic_version ORDER BY 1`;

/**
 * Finds the databases and schemas of a server that hold a Letta.
 * @param only the database to look in; all of them where it is left out
 * @throws Problem DATABASE_REFUSED
 */
export async function findLettas(server: DatabaseServer, only?: string): Promise<LettaPlace[]> {
  const names = only === undefined ? await databaseNames(server) : [only];
  const found: LettaPlace[] = [];
  for (const database of names) {
    const schemas = await askRows<{ schema: string }>(
      server.database(database),
      `SELECT n.nspname AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = 'alembic_version' AND c.relkind = 'r' AND EXISTS (SELECT FROM pg_class o
          WHERE o.relnamespace = n.oid AND o.relname = 'agents' AND o.relkind IN ('r', 'p'))`,
      `the schemas of ${database}`,
    );
    for (const { schema } of schemas) {
      const [counted] = await askRows<{ agents: number }>(
        server.database(database),
        `SELECT count(*) AS agents FROM ${agentsOf(schema)}`,
        "its agents",
      );
      found.push({ database, schema, agents: counted!.agents });
    }
  }
  return found;
}

async function databaseNames(server: DatabaseServer): Promise<string[]> {
  const found = await askRows<{ name: string }>(
    await maintenance(server),
    "SELECT datname AS name FROM pg_database WHERE NOT datistemplate AND datallowconn ORDER BY 1",
    "its databases",
  );
  return found.map((one) => one.name);
}

/**
 * Reads what a Letta's database holds.
 * @throws Problem DATABASE_REFUSED
 */
export async function readLetta(server: DatabaseServer, place: LettaPlace): Promise<LettaFacts> {
  const { database: name, schema } = place;
  const database = server.database(name);
  const facts = await readFacts(database, revisionQueryIn(schema), schema);
  const [more] = await askRows<Omit<LettaFacts, keyof typeof facts>>(
    database,
    `SELECT (SELECT jsonb_build_object('version', extversion, 'schema', n.nspname)
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'vector') AS vector,
      (SELECT coalesce(jsonb_agg(a.id ORDER BY a.id), '[]') FROM ${agentsOf(schema)}) AS "agentIds",
      (SELECT coalesce(jsonb_agg(DISTINCT p), '[]') FROM (SELECT
        to_jsonb(a) -> 'llm_config' ->> 'model_endpoint_type' AS p FROM ${agentsOf(schema)}) m
        WHERE p IS NOT NULL) AS providers,
      (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'agents',
          (SELECT count(*) FROM ${agentsOf(schema)} AND to_jsonb(a) ->> 'organization_id' = o.id
            AND NOT ${isSet("hidden")}),
          'user', (SELECT min(u.id) FROM ${quoteName(schema)}.users u
            WHERE to_jsonb(u) ->> 'organization_id' = o.id)) ORDER BY o.id), '[]')
        FROM ${quoteName(schema)}.organizations o) AS organizations`,
    "what it holds",
  );
  return {
    ...place,
    ...more!,
    postgres: facts.serverVersion,
    cluster: await clusterOf(database),
    revision: facts.revision,
    bytes: facts.databaseBytes,
    rows: rowsIn(schema, facts.rows),
  };
}

/** The number that a cluster has since it was made, which a copy of its data directory shares. */
export async function clusterOf(database: Database): Promise<string | null> {
  const { rows } = await database.ask("SELECT system_identifier FROM pg_control_system()");
  return rows[0]?.[0] ?? null;
}

/** The rows of one schema's tables, named without it. */
export function rowsIn(
  schema: string,
  rows: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  // As format('%I') writes it: quoted only where it must be.
  const starts = [`${schema}.`, `${quoteName(schema)}.`];
  return Object.fromEntries(
    Object.entries(rows).flatMap(([table, count]) => {
      const start = starts.find((one) => table.startsWith(one));
      return start === undefined ? [] : [[table.slice(start.length), count]];
    }),
  );
}

/**
 * Restores one schema of a dump into an empty database. What it needs is made first: pg_restore
 * leaves schemas and extensions out where a schema is named, and the dump may have been made so.
 * @param from the schema, and where the type `vector` was
 * @throws Problem DATABASE_REFUSED
 */
export async function restoreSchema(
  server: DatabaseServer,
  into: string,
  path: string,
  from: { readonly schema: string; readonly vectorSchema: string | undefined },
  onBytes?: (read: number) => void,
): Promise<void> {
  const { schema, vectorSchema } = from;
  const schemas = [...new Set([schema, ...(vectorSchema === undefined ? [] : [vectorSchema])])];
  const { state, message } = await server
    .database(into)
    .ask(
      [
        "SET client_min_messages = warning;",
        ...schemas.map((one) => `CREATE SCHEMA IF NOT EXISTS ${quoteName(one)};`),
        ...(vectorSchema === undefined
          ? []
          : [`CREATE EXTENSION IF NOT EXISTS vector SCHEMA ${quoteName(vectorSchema)};`]),
      ].join("\n"),
    );
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", `${into} could not be prepared for ${schema}`, {
      details: [message],
    });
  }
  const flags = [`--schema=${schema}`, "--no-privileges"];
  await pgRestore(server, into, path, flags, onBytes);
}

/**
 * Lays a restored database out as the stack's own: tables and the type `vector` in `public`, where
 * migrations look for both. Under any other schema they would make a second, empty Letta.
 * @throws Problem DATABASE_REFUSED
 */
export async function moveToPublic(
  database: Database,
  { schema, vectorSchema }: { readonly schema: string; readonly vectorSchema: string | undefined },
): Promise<void> {
  const renames =
    schema === "public"
      ? []
      : [`DROP SCHEMA IF EXISTS public;`, `ALTER SCHEMA ${quoteName(schema)} RENAME TO public;`];
  const isApart = vectorSchema !== undefined && vectorSchema !== schema;
  const moves =
    isApart && vectorSchema !== "public" ? ["ALTER EXTENSION vector SET SCHEMA public;"] : [];
  // Dropping `public` would take the type with it.
  const first =
    isApart && vectorSchema === "public" && schema !== "public"
      ? [`ALTER EXTENSION vector SET SCHEMA ${quoteName(schema)};`]
      : [];
  const { state, message } = await database.ask(
    ["SET client_min_messages = warning;", "BEGIN;", ...first, ...renames, ...moves, "COMMIT"].join(
      "\n",
    ),
  );
  if (state === "") return;
  throw new Problem("DATABASE_REFUSED", `${schema} could not be made the schema public`, {
    details: [message],
  });
}
