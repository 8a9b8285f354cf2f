import { Problem } from "../common/problem.ts";
import { askRows } from "./askRows.ts";
import { clientEnvironment, quoteName } from "./psqlClient.ts";
import { type Answer, applicationName, type DatabaseServer, maintenance } from "./sql.ts";

/** What an external database and its role are, as it tells. */
export interface ExternalFacts {
  readonly database: string;
  readonly role: string;
  /** server_version_num: 170011. */
  readonly version: number;
  /** The major version of psql and pg_dump. */
  readonly clientMajor: number;
  readonly isReplica: boolean;
  readonly isReadOnly: boolean;
  /** Whether two sessions are one backend's: a pooler in transaction mode. */
  readonly isShared: boolean;
  /** Where tables are made; null where search_path names no schema that exists. */
  readonly schema: string | null;
  readonly searchPath: string;
  readonly mayCreateTables: boolean;
  readonly isSuperuser: boolean;
  readonly mayCreateDatabases: boolean;
  readonly owner: string;
  readonly isOwner: boolean;
  /** The extension's version in the database; null where it is not there. */
  readonly vector: string | null;
  readonly hasVector: boolean;
  readonly mayCreateVector: boolean;
  readonly isEncrypted: boolean;
  /** The fewest of the server's, the database's and the role's. */
  readonly mostConnections: number;
  readonly usedConnections: number;
  /** Of these, those that are neither the tool's nor of the role on the database, as the stack's server is. */
  readonly otherConnections: number;
  /** Why no other database can be logged in to, from where copies are made and renamed. */
  readonly maintenanceFault: string | undefined;
  /** The URI's parameters that psql and pg_dump have no variable for. */
  readonly dropped: readonly string[];
}

/**
 * What a command needs of an external database. deploy: to begin a release there. write: a server that
 * passes its checks. migrate: to run migrations. dump: pg_dump. copy: to make, copy and rename databases.
 * restore: pg_restore into a new one.
 */
export type Need = "deploy" | "write" | "migrate" | "dump" | "copy" | "restore";

/** One lack, with where and how it is fixed. */
export interface Lack {
  readonly expected: string;
  readonly found: string;
  /** What follows from it; only where the tool goes on without it. */
  readonly means?: string;
  readonly next: string;
}

export interface ExternalJudgement {
  /** The setting's origin and its host, for messages. */
  readonly place: string;
  /** What it lacks, and what that makes impossible. */
  readonly lacks: readonly (Lack & { readonly blocks: readonly Need[] })[];
  /** Whether databases can be made, copied and renamed there. */
  readonly mayCopy: boolean;
  /** Whether a dump can be restored into a new database there. */
  readonly mayRestore: boolean;
}

/** DROP DATABASE … WITH (FORCE) came with 13. */
const oldestMajor = 13;
/** A server that boots and this tool need some; Letta takes one for each request that it works on. */
const fewestConnections = 5;
const fewConnections = 20;

/**
 * What an external database lacks, and what cannot be done with it: pure.
 * @param place the setting's origin and its host, for messages
 */
export function judgeExternal(facts: ExternalFacts, place: string): ExternalJudgement {
  const { database, role, clientMajor, isEncrypted, mostConnections, usedConnections } = facts;
  const [name, user] = [quoteName(database), quoteName(role)];
  const major = Math.floor(facts.version / 10_000);
  const left = Math.max(0, mostConnections - usedConnections);
  // What is replaced makes space, and so does a run's end.
  const space = Math.max(0, mostConnections - facts.otherConnections);
  const vectorNext = facts.hasVector
    ? `as a role that may, in ${database}: CREATE EXTENSION vector`
    : "install pgvector on the server, then in the database: CREATE EXTENSION vector";
  const lack = (is: boolean, one: Lack, ...blocks: Need[]) => (is ? [{ ...one, blocks }] : []);
  const noCopies =
    "no rehearsal, no snapshot and no verified restore: a migration runs without them; --database copy, downgrade and restore are not possible";
  const noRestores =
    "no rehearsal and no verified restore: a migration runs without them; --database copy, downgrade and restore are not possible";
  const lacks = [
    ...lack(
      facts.isShared,
      {
        expected: "sessions of their own",
        found: "a pooler that shares them (transaction mode)",
        next: "let LETTA_PG_URI name Postgres itself, or a pool with pool_mode=session (Supabase: port 5432 instead of 6543; Neon: the host without -pooler)",
      },
      "deploy",
      "write",
      "dump",
      "copy",
    ),
    ...lack(
      facts.isReplica || facts.isReadOnly,
      {
        expected: "a database that can be written",
        found: facts.isReplica ? "a read-only replica" : "sessions that are read-only by default",
        next: facts.isReplica
          ? "let LETTA_PG_URI name the primary"
          : `ALTER ROLE ${user} RESET default_transaction_read_only   (or the same of the database)`,
      },
      "deploy",
      "write",
      "copy",
    ),
    ...lack(
      major > clientMajor,
      {
        expected: `PostgreSQL ${clientMajor} at most, as pg_dump of POSTGRES_IMAGE`,
        found: `PostgreSQL ${major}`,
        next: `set POSTGRES_IMAGE to a PostgreSQL ${major} with pgvector`,
      },
      "dump",
    ),
    ...lack(
      major < oldestMajor,
      {
        expected: `PostgreSQL ${oldestMajor} or newer`,
        found: `PostgreSQL ${major}`,
        next: "upgrade the database server",
      },
      "deploy",
      "copy",
    ),
    ...lack(
      facts.schema === null,
      {
        expected: "a schema for its tables",
        found: `none of search_path (${facts.searchPath})`,
        next: `as the owner of ${database}: CREATE SCHEMA …, or ALTER ROLE ${user} SET search_path TO public`,
      },
      "deploy",
      "migrate",
    ),
    ...lack(
      facts.schema !== null && !facts.mayCreateTables,
      {
        expected: `the right to create tables in ${facts.schema}`,
        found: "none",
        next: `as its owner: GRANT CREATE, USAGE ON SCHEMA ${facts.schema} TO ${user}`,
      },
      "deploy",
      "migrate",
    ),
    ...lack(
      facts.vector === null,
      {
        expected: `the extension vector in ${database}`,
        found: facts.hasVector ? "none" : "none, and pgvector is not installed on the server",
        next: vectorNext,
      },
      "deploy",
      "migrate",
      ...(facts.hasVector ? [] : ["restore" as const]),
    ),
    ...lack(
      space < fewestConnections,
      {
        expected: `${fewestConnections} connections left`,
        found: `${space} of ${mostConnections}, not counting the stack's own`,
        next: `raise max_connections or the connection limit of ${role} or ${database}, or end other sessions`,
      },
      "deploy",
    ),
    ...lack(
      !facts.mayCreateDatabases,
      {
        expected: `CREATEDB for ${role}`,
        found: "none",
        means: noCopies,
        next: `as a superuser: ALTER ROLE ${user} CREATEDB`,
      },
      "copy",
    ),
    ...lack(
      !facts.isOwner,
      {
        expected: `${role} as owner of ${database}`,
        found: `${facts.owner} as its owner`,
        means: noCopies,
        next: `as a superuser: ALTER DATABASE ${name} OWNER TO ${user}`,
      },
      "copy",
    ),
    ...lack(
      facts.hasVector && !facts.mayCreateVector,
      {
        expected: `the right of ${role} to create the extension vector in a new database`,
        found: "none (it is no trusted extension there)",
        means: noRestores,
        next: "let the provider trust the extension, or rehearse on a server where the role may create it",
      },
      "restore",
    ),
    ...lack(
      facts.maintenanceFault !== undefined,
      {
        expected: "a login to the database postgres or template1",
        found: facts.maintenanceFault ?? "",
        means: noCopies,
        next: `GRANT CONNECT ON DATABASE postgres TO ${user}`,
      },
      "copy",
    ),
    ...lack(!isEncrypted, {
      expected: "an encrypted connection",
      found: "plain text",
      means: "passwords and rows pass in the clear",
      next: "add ?sslmode=require to LETTA_PG_URI, or verify-full with sslrootcert=system",
    }),
    ...lack(facts.isSuperuser, {
      expected: "a role that owns its database alone",
      found: `the superuser ${role}`,
      means: "what runs in the server may drop every database there",
      next: `a role of its own: CREATE ROLE letta LOGIN CREATEDB PASSWORD …; ALTER DATABASE ${name} OWNER TO letta`,
    }),
    ...lack(space >= fewestConnections && left < fewConnections, {
      expected: `${fewConnections} connections left`,
      found: `${left} of ${mostConnections}`,
      means: "requests may fail while two servers run",
      next: `raise max_connections or the connection limit of ${role} or ${database}`,
    }),
    ...lack(facts.dropped.length > 0, {
      expected: "parameters that psql and pg_dump know",
      found: facts.dropped.join(", "),
      means: "only the server gets them",
      next: "leave them out of LETTA_PG_URI where they do not matter",
    }),
  ];
  const allows = (...needs: Need[]) => !lacks.some((one) => isBlocking(one, needs));
  return { place, lacks, mayCopy: allows("copy"), mayRestore: allows("copy", "restore") };
}

function isBlocking({ blocks }: { readonly blocks: readonly Need[] }, needs: readonly Need[]) {
  return blocks.some((one) => needs.includes(one));
}

const needWords: Readonly<Record<Need, string>> = {
  deploy: "deploys",
  write: "rollbacks",
  migrate: "migrations",
  dump: "backups",
  copy: "copies",
  restore: "verified restores",
};

/**
 * Lets a command go on only where an external database has what the command needs. Pure.
 * @returns what the command goes on without
 * @throws Problem DATABASE_REFUSED naming all that makes it impossible
 */
export function assertAllows(
  { place, lacks }: ExternalJudgement,
  needs: readonly Need[],
): readonly Lack[] {
  const blocking = lacks.filter((one) => isBlocking(one, needs));
  const [first] = blocking;
  if (first !== undefined) {
    throw new Problem("DATABASE_REFUSED", `${place}: ${lackText(first)}`, {
      details: blocking.slice(1).flatMap((one) => [lackText(one), `  ${one.next}`]),
      next: first.next,
    });
  }
  return lacks.map(({ blocks, ...one }) => ({
    means: `not possible: ${blocks.map((need) => needWords[need]).join(", ")}`,
    ...one,
  }));
}

/** "expected CREATEDB for letta, got none: no rehearsal …". */
export function lackText({ expected, found, means }: Lack): string {
  return `expected ${expected}, got ${found}${means === undefined ? "" : `: ${means}`}`;
}

/**
 * Asks an external database what it and its role are. Reads only.
 * @param place the setting's origin and its host, for the message; never the URI itself
 * @throws Problem DATABASE_REFUSED where no login comes about
 */
async function readExternal(server: DatabaseServer, place: string): Promise<ExternalFacts> {
  let login = await server.database().ask("SELECT 1");
  // A client that ends at once may have gone before the engine passed on what it said.
  if (login.state !== "" && login.message === "") login = await server.database().ask("SELECT 1");
  if (login.state !== "") {
    throw new Problem("DATABASE_REFUSED", `${place}: ${loginFault(login)}`, {
      details: [login.message],
      next: "npm run doctor",
    });
  }
  type Asked = Omit<ExternalFacts, "clientMajor" | "maintenanceFault" | "dropped">;
  const [[reported], dump, maintenanceFault] = await Promise.all([
    askRows<Asked>(server.database(), factsQuery, "what its role may do", twoSessions),
    server.client(server.name, ["pg_dump", "--version"]),
    maintenance(server, [server.name]).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof Problem && error.code === "DATABASE_REFUSED")
          return error.details.join("; ");
        throw error;
      },
    ),
  ]);
  const clientMajor = Number(/ (\d+)/u.exec(dump.stdout)?.[1] ?? Number.POSITIVE_INFINITY);
  const { dropped } = clientEnvironment(server.uri(server.name));
  return { ...reported!, clientMajor, maintenanceFault, dropped };
}

/**
 * Judges an external database. Reads only.
 * @throws Problem DATABASE_REFUSED where no login comes about
 */
export async function assertDatabase(
  server: DatabaseServer,
  place: string,
): Promise<ExternalJudgement> {
  return judgeExternal(await readExternal(server, place), place);
}

/**
 * A session that is asked while the first one idles reaches the same backend only through a pooler that
 * shares them.
 */
const twoSessions = `SELECT pg_backend_pid() AS mine \\gset
\\set other \`psql --no-psqlrc -qAtc 'SELECT pg_backend_pid()'\``;

const connections = `least(current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int
    - coalesce(current_setting('reserved_connections', true)::int, 0),
  nullif(d.datconnlimit, -1), nullif(me.rolconnlimit, -1))`;

const factsQuery = `SELECT d.datname AS database, me.rolname AS role,
  current_setting('server_version_num')::int AS version,
  pg_is_in_recovery() AS "isReplica", current_setting('transaction_read_only')::bool AS "isReadOnly",
  :'mine' = :'other' AS "isShared",
  current_schema()::text AS schema, current_setting('search_path') AS "searchPath",
  coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS "mayCreateTables",
  me.rolsuper AS "isSuperuser", me.rolcreatedb OR me.rolsuper AS "mayCreateDatabases",
  pg_get_userbyid(d.datdba) AS owner, pg_has_role(d.datdba, 'USAGE') AS "isOwner",
  (SELECT extversion FROM pg_extension WHERE extname = 'vector') AS vector,
  EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') AS "hasVector",
  me.rolsuper OR EXISTS (SELECT FROM pg_available_extension_versions v JOIN pg_available_extensions a
    ON a.name = v.name AND a.default_version = v.version
    WHERE v.name = 'vector' AND (NOT v.superuser OR v.trusted)) AS "mayCreateVector",
  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS "isEncrypted",
  ${connections} AS "mostConnections",
  (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid IS NOT NULL
    AND (d.datconnlimit = -1 OR a.datid = d.oid)
    AND (me.rolconnlimit = -1 OR a.usesysid = me.oid)) AS "usedConnections",
  (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid IS NOT NULL
    AND (d.datconnlimit = -1 OR a.datid = d.oid)
    AND (me.rolconnlimit = -1 OR a.usesysid = me.oid)
    AND NOT (a.usesysid = me.oid AND (a.datid = d.oid
      OR a.application_name LIKE '${applicationName}%'))) AS "otherConnections"
  FROM pg_database d, pg_roles me WHERE d.datname = current_database() AND me.rolname = current_user`;

/** psql gives no SQLSTATE for a login that failed, only its words (in C, as we ask it). */
export function loginFault({ message }: Pick<Answer, "message">): string {
  const found = loginFaults.find(([words]) => words.test(message));
  return found?.[1] ?? "expected a login, the server refuses it";
}

const loginFaults: readonly (readonly [words: RegExp, fault: string])[] = [
  [
    /password authentication failed|no password supplied/,
    "expected the password to be right, the server refuses it",
  ],
  [/database ".*" does not exist/, "expected the database to exist, it does not"],
  [/does not support SSL/, "expected TLS, as sslmode demands; the server offers none"],
  [
    /root certificate file .* does not exist/,
    "expected the file of sslrootcert in the container of POSTGRES_IMAGE, got none (sslrootcert=system takes the image's own)",
  ],
  [/certificate verify failed|does not match host name/, "expected a certificate that verifies"],
  [
    /no pg_hba\.conf entry .*no encryption/,
    "expected an encrypted connection, as the server demands; set sslmode=require",
  ],
  [
    /hot standby mode|session is read-only|session is not read-only/,
    "expected a server of the kind that target_session_attrs asks for",
  ],
  [/invalid (?:sslmode|channel_binding|\w+) value/, "expected a parameter that libpq knows"],
  [/translate host name|resolve/, "expected a host name that resolves from a container"],
  [
    /too many connections|remaining connection slots|too many clients/,
    "expected a free connection, all are taken",
  ],
  [/refused|timeout|timed out|unreachable|no route/i, "expected a server that answers, got none"],
];
