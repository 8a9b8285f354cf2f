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

interface Column {
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

interface TablePart {
  readonly table: string;
  readonly definition: string;
}

interface Index extends TablePart {
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

/** What a migration changed, each as a line for people. */
export interface SchemaDifference {
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  readonly changed: readonly string[];
  /**
   * Whether a server that knows only the old schema can still read and write, as far as a
   * schema can tell: what the rows mean now is another question.
   */
  readonly additive: boolean;
  /** The lines for which it is not. */
  readonly notAdditive: readonly string[];
}

type Kind = "added" | "dropped" | "changed";

interface Line {
  readonly kind: Kind;
  readonly text: string;
  readonly additive: boolean;
}

/**
 * How two schemas differ. Additive are new tables, enum types and plain indexes, new columns
 * that need no value, and columns that need none any longer; nothing else is.
 */
export function compareSchemas(before: Schema, after: Schema): SchemaDifference {
  const isNewTable = (table: string) => before.tables[table] === undefined;
  const isGone = (table: string) => after.tables[table] === undefined;
  const parts = <Part extends { readonly table: string }>(all: Readonly<Record<string, Part>>) =>
    Object.fromEntries(
      // What comes and goes with its table is not reported again.
      Object.entries(all).filter(([, { table }]) => !isNewTable(table) && !isGone(table)),
    );
  const lines = [
    ...compare("table", before.tables, after.tables, () => true, compareTables),
    ...compare("index", parts(before.indexes), parts(after.indexes), ({ unique }) => !unique),
    ...compare("constraint", parts(before.constraints), parts(after.constraints)),
    ...compare("enum", before.enums, after.enums, () => true, compareEnums),
    ...compare("view", before.views, after.views),
    ...compare("", before.routines, after.routines),
  ];
  const of = (kind: Kind) => lines.filter((line) => line.kind === kind).map((line) => line.text);
  const notAdditive = lines.filter((line) => !line.additive).map((line) => line.text);
  return {
    added: of("added"),
    dropped: of("dropped"),
    changed: of("changed"),
    additive: notAdditive.length === 0,
    notAdditive,
  };
}

function compare<Thing>(
  what: string,
  before: Readonly<Record<string, Thing>>,
  after: Readonly<Record<string, Thing>>,
  mayCome: (thing: Thing) => boolean = () => false,
  inner?: (name: string, one: Thing, other: Thing) => Line[],
): Line[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((key) => {
    const [one, other] = [before[key], after[key]];
    const name = `${what} ${shown(key)}`.trim();
    if (one === undefined)
      return [{ kind: "added", text: `${name} added`, additive: mayCome(other!) } as const];
    if (other === undefined)
      return [{ kind: "dropped", text: `${name} dropped`, additive: false } as const];
    if (inner !== undefined) return inner(shown(key), one, other);
    if (JSON.stringify(one) === JSON.stringify(other)) return [];
    return [{ kind: "changed", text: `${name} changed`, additive: false } as const];
  });
}

function compareTables(table: string, before: Table, after: Table): Line[] {
  const byName = ({ columns }: Table) =>
    Object.fromEntries(columns.map((column) => [column.name, column]));
  const [old, now] = [byName(before), byName(after)];
  const added = after.columns.filter((column) => !Object.hasOwn(old, column.name));
  const dropped = before.columns.filter((column) => !Object.hasOwn(now, column.name));
  return [
    ...added.map((column): Line => {
      const needsValue =
        !column.nullable && column.default === null && !column.identity && !column.generated;
      const how = needsValue ? " without a default for its NOT NULL" : "";
      const text = `column ${table}.${column.name} (${shown(column.type)}) added${how}`;
      return { kind: "added", text, additive: !needsValue };
    }),
    ...dropped.map((column): Line => {
      const text = `column ${table}.${column.name} (${shown(column.type)}) dropped`;
      return { kind: "dropped", text, additive: false };
    }),
    ...before.columns
      .filter((column) => Object.hasOwn(now, column.name))
      .flatMap((column) =>
        compareColumns(`column ${table}.${column.name}`, column, now[column.name]!),
      ),
  ];
}

function compareColumns(name: string, before: Column, after: Column): Line[] {
  const changed = (text: string, additive = false): Line => ({
    kind: "changed",
    text: `${name} ${text}`,
    additive,
  });
  const value = (column: Column) =>
    column.identity
      ? "an identity"
      : `${column.default ?? "none"}${column.generated ? " (generated)" : ""}`;
  return [
    ...(before.type === after.type
      ? []
      : [changed(`changed its type from ${shown(before.type)} to ${shown(after.type)}`)]),
    ...(before.nullable === after.nullable
      ? []
      : [after.nullable ? changed("lost NOT NULL", true) : changed("became NOT NULL")]),
    ...(value(before) === value(after)
      ? []
      : [changed(`changed its default from ${value(before)} to ${value(after)}`)]),
  ];
}

function compareEnums(name: string, before: readonly string[], after: readonly string[]): Line[] {
  const line = (kind: Kind, text: string): Line => ({
    kind,
    text: `enum ${name} ${text}`,
    additive: false,
  });
  const gained = after.filter((label) => !before.includes(label));
  const lost = before.filter((label) => !after.includes(label));
  return [
    ...gained.map((label) => line("added", `gained ${label}`)),
    ...lost.map((label) => line("dropped", `lost ${label}`)),
  ];
}

/** Most live in `public`, which then adds nothing. */
function shown(name: string): string {
  return name.replace(/^(function )?public\./u, "$1");
}
