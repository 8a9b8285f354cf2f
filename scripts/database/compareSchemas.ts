import type { Column, Schema, Table } from "./readSchema.ts";

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
