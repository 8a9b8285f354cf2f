/** One database: its schema is what its migrations have made, its rows are by table. */
export interface SimulatedDatabase {
  /** The revisions that were applied, oldest first: alembic_version has the last. */
  applied: readonly string[];
  /** A migration that was committed half-way and failed. */
  half: boolean;
  readonly rows: Map<string, Set<string>>;
  /** COMMENT ON DATABASE: a copy does not have it. */
  comment?: string | undefined;
}

/** The tables each revision brings. With r4 an agent's name is its title. */
const made: Readonly<Record<string, readonly string[]>> = {
  r1: ["agents", "blocks"],
  r2: ["notes"],
  r3: ["providers"],
  r5: ["drafts"],
};

export function emptyDatabase(): SimulatedDatabase {
  return { applied: [], half: false, rows: new Map() };
}

export function copyDatabase({ applied, half, rows: from }: SimulatedDatabase): SimulatedDatabase {
  return { applied, half, rows: new Map([...from].map(([name, rows]) => [name, new Set(rows)])) };
}

export function revisionOf({ applied }: SimulatedDatabase): string {
  return applied.at(-1) ?? "";
}

/** Applies one revision, or takes the last one back: what that drops is lost. */
export function apply(database: SimulatedDatabase, revision: string): void {
  for (const table of made[revision] ?? []) database.rows.set(table, new Set());
  database.applied = [...database.applied, revision];
}

export function takeBack(database: SimulatedDatabase): void {
  for (const table of made[revisionOf(database)] ?? []) database.rows.delete(table);
  database.applied = database.applied.slice(0, -1);
}

/** The tables with their rows as a dump holds them. */
export function dumped(database: SimulatedDatabase): Buffer {
  const rows = [...database.rows].map(([name, some]) => [name, [...some]]);
  const { applied, half } = database;
  return Buffer.from(JSON.stringify({ applied, half, rows }));
}

export function undumped(dump: Buffer): SimulatedDatabase {
  const { applied, half, rows } = JSON.parse(dump.toString()) as {
    applied: string[];
    half: boolean;
    rows: [string, string[]][];
  };
  return { applied, half, rows: new Map(rows.map(([name, some]) => [name, new Set(some)])) };
}

export function counts(database: SimulatedDatabase): Record<string, number> {
  const rows = [...database.rows].map(([name, some]) => [`public.${name}`, some.size]);
  const version = database.applied.length > 0 ? { "public.alembic_version": 1 } : {};
  return { ...(Object.fromEntries(rows) as Record<string, number>), ...version };
}

/** The columns that a row of a table must have. */
export function columnsOf(database: SimulatedDatabase, table: string): string[] {
  if (table === "alembic_version") return ["version_num"];
  const title = database.applied.includes("r4") ? "title" : "name";
  return table === "agents" ? ["id", title] : ["id"];
}

/** As scripts/database/schema.ts wants it. */
export function schemaOf(database: SimulatedDatabase): object {
  const column = (name: string) => ({
    name,
    type: "text",
    nullable: false,
    default: null,
    generated: false,
    identity: false,
  });
  const isMade = database.applied.length > 0;
  const names = [...database.rows.keys(), ...(isMade ? ["alembic_version"] : [])];
  const tables = names.map((name) => [
    `public.${name}`,
    {
      schema: "public",
      name,
      partitioned: false,
      columns: columnsOf(database, name).map(column),
    },
  ]);
  const nothing = { indexes: {}, constraints: {}, enums: {}, views: {}, routines: {} };
  return { ...nothing, tables: Object.fromEntries(tables) as object, sequences: [] };
}
