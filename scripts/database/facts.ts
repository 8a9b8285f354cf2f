import { Problem } from "../common/problem.ts";
import { countTablesScript, openSnapshot } from "./countTables.ts";
import { databaseOwnQuery, type DatabaseOwn } from "./databaseOwn.ts";
import { invalidIndexesQuery } from "./invalidIndexes.ts";
import type { Database } from "./sql.ts";

/** What a database holds, all of it of the same moment. */
export interface Facts extends DatabaseOwn {
  /** Rows of every table, by its name as SQL writes it: `public.agents`, `public."Odd One"`. */
  readonly rows: Readonly<Record<string, number>>;
  /** Its schema's revisions: none where it was never migrated. */
  readonly revision: readonly string[];
  /** Such as "17.11". */
  readonly serverVersion: string;
  /** Its size on the server's disk. */
  readonly databaseBytes: number;
  readonly extensions: Readonly<Record<string, string>>;
  readonly invalidIndexes: readonly string[];
}

const undefinedTable = "42P01";

/**
 * psql's commands that read the facts within an open snapshot and print them on three lines.
 * @param revisionQuery the role's own; a table that it lacks means that nothing was migrated
 * @param print "echo" for standard output, "warn" for standard error
 */
export function factsScript(revisionQuery: string, print: "echo" | "warn"): string {
  const query = revisionQuery.trim().replace(/;+$/u, "");
  return `${countTablesScript}
SELECT jsonb_build_object('serverVersion', split_part(current_setting('server_version'), ' ', 1),
  'databaseBytes', pg_database_size(current_database()),
  'extensions', (SELECT jsonb_object_agg(extname, extversion) FROM pg_extension),
  'invalidIndexes', (SELECT coalesce(jsonb_agg(name), '[]') FROM (${invalidIndexesQuery}) i),
  'own', ${databaseOwnQuery("current_database()")}) AS facts \\gset
\\set ON_ERROR_STOP off
\\set revision []
SAVEPOINT asked;
SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]') AS revision FROM (${query}
) r \\gset
\\set state :SQLSTATE
ROLLBACK TO asked;
\\set ON_ERROR_STOP on
\\${print} facts :rows
\\${print} facts :facts
\\${print} facts :state :revision
`;
}

/**
 * Takes apart what factsScript printed.
 * @throws Problem DATABASE_REFUSED where the revision is unknown
 */
export function parseFacts(printed: string): Facts {
  const [rows = "", facts = "", last = ""] = printed
    .split("\n")
    .filter((line) => line.startsWith("facts "))
    .map((line) => line.slice("facts ".length));
  const [state = ""] = last.split(" ", 1);
  if (state !== "00000" && state !== undefinedTable) {
    throw new Problem("DATABASE_REFUSED", "the database does not tell its schema's revision", {
      details: [`SQLSTATE ${state}`],
    });
  }
  const revision = JSON.parse(last.slice(state.length)) as Record<string, string>[];
  const { own, ...others } = JSON.parse(facts) as Facts & {
    own: DatabaseOwn;
  };
  return {
    ...others,
    rows: JSON.parse(rows) as Facts["rows"],
    ...own,
    revision: revision.map((row) => String(Object.values(row)[0])),
  };
}

/**
 * What a database holds now, read in one session and of one moment.
 * @param revisionQuery the role's own, see x-app in compose/server.yaml
 * @throws Problem DATABASE_REFUSED
 */
export async function readFacts(database: Database, revisionQuery: string): Promise<Facts> {
  const { rows, state, message } = await database.ask(
    `${openSnapshot}${factsScript(revisionQuery, "echo")}COMMIT`,
  );
  if (state !== "") {
    throw new Problem("DATABASE_REFUSED", "the database cannot be counted", { details: [message] });
  }
  return parseFacts(rows.map((row) => row.join("\u001f")).join("\n"));
}
