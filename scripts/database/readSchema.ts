import { askRows } from "./askRows.ts";
import { tablesOfPeople } from "./countTables.ts";
import type { Database } from "./sql.ts";

/**
 * What a database's schema is, as far as servers and people care; names are as SQL writes
 * them, with their schema: `public.agents`. What belongs to an extension is left out.
 */
export interface Schema {
  readonly tables: Readonly<Record<string, Table>>;
  readonly indexes: Readonly<Record<string, Index>>;
  /** By table and name: `public.agents agents_pkey`. */
  readonly constraints: Readonly<Record<string, TablePart>>;
  readonly enums: Readonly<Record<string, readonly string[]>>;
  /** Materialized ones too, by their query. */
  readonly views: Readonly<Record<string, string>>;
  /** Functions and triggers, by their definition. */
  readonly routines: Readonly<Record<string, string>>;
  readonly sequences: readonly string[];
}

export interface Table {
  /** Without quotes. */
  readonly schema: string;
  readonly name: string;
  /** Its rows are in its partitions, which are no tables of their own here. */
  readonly partitioned: boolean;
  readonly columns: readonly Column[];
}

export interface Column {
  /** Without quotes. */
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  /** Its default's or generated value's expression. */
  readonly default: string | null;
  /** Computed from other columns. */
  readonly generated: boolean;
  readonly identity: boolean;
}

export interface TablePart {
  readonly table: string;
  readonly definition: string;
}

export interface Index extends TablePart {
  readonly unique: boolean;
}

const columns = `SELECT coalesce(jsonb_agg(jsonb_build_object('name', a.attname,
    'type', format_type(a.atttypid, a.atttypmod), 'nullable', NOT a.attnotnull,
    'default', pg_get_expr(d.adbin, d.adrelid), 'generated', a.attgenerated <> '',
    'identity', a.attidentity <> '') ORDER BY a.attnum), '[]')
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`;

/** Objects in schemas of people that no extension brought: of a catalog whose alias is `o`. */
const own = (catalog: string, namespace: string) =>
  `${catalog} o JOIN pg_namespace n ON n.oid = o.${namespace}
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
  AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '${catalog}'::regclass
    AND x.objid = o.oid AND x.deptype = 'e')`;

const object = (key: string, value: string, from: string) =>
  `(SELECT coalesce(jsonb_object_agg(${key}, ${value}), '{}') FROM ${from})`;

const table = "t.oid::regclass::text";
const named = "format('%I.%I', n.nspname, o.relname)";

const query = `WITH tables AS (SELECT c.oid, c.relkind, n.nspname, c.relname FROM ${tablesOfPeople})
SELECT ${object(
  "c.oid::regclass::text",
  `jsonb_build_object('schema', c.nspname, 'name', c.relname, 'partitioned', c.relkind = 'p',
    'columns', (${columns}))`,
  "tables c",
)} AS tables,
${object(
  "i.indexrelid::regclass::text",
  `jsonb_build_object('table', ${table}, 'definition', pg_get_indexdef(i.indexrelid), 'unique', i.indisunique)`,
  `pg_index i JOIN tables t ON t.oid = i.indrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))`,
)} AS indexes,
${object(
  `${table} || ' ' || quote_ident(k.conname)`,
  `jsonb_build_object('table', ${table}, 'definition', pg_get_constraintdef(k.oid))`,
  "pg_constraint k JOIN tables t ON t.oid = k.conrelid WHERE k.contype IN ('p', 'u', 'x', 'c', 'f') AND k.conparentid = 0",
)} AS constraints,
${object(
  "format('%I.%I', n.nspname, o.typname)",
  "(SELECT jsonb_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = o.oid)",
  `${own("pg_type", "typnamespace")} AND o.typtype = 'e'`,
)} AS enums,
${object(named, "pg_get_viewdef(o.oid)", `${own("pg_class", "relnamespace")} AND o.relkind IN ('v', 'm')`)} AS views,
${object(
  "'function ' || o.oid::regprocedure::text",
  "pg_get_functiondef(o.oid)",
  `${own("pg_proc", "pronamespace")} AND o.prokind IN ('f', 'p')`,
)} || ${object(
  `format('trigger %I on %s', g.tgname, ${table})`,
  "pg_get_triggerdef(g.oid)",
  "pg_trigger g JOIN tables t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal",
)} AS routines,
(SELECT coalesce(jsonb_agg(${named} ORDER BY ${named}), '[]')
  FROM ${own("pg_class", "relnamespace")} AND o.relkind = 'S') AS sequences`;

/**
 * Reads a database's schema.
 * @throws Problem DATABASE_REFUSED
 */
export async function readSchema(database: Database): Promise<Schema> {
  // Without a search path every name is printed with its schema, here as on any other database.
  const before = "SET search_path = '';";
  const [schema] = await askRows<Schema>(database, query, "its schema", before);
  return schema!;
}
