import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Held, Staying } from "../docker/engine.ts";
import { loginFault } from "./assertDatabase.ts";
import { postgresWords, psqlScript, quoteText } from "./psqlClient.ts";
import type { DatabaseServer } from "./sql.ts";

/** Who holds the lock of a database, as its server tells. */
export interface DatabaseHolder {
  readonly pid: string;
  /** What it calls itself: "letta-stack deploy:prod ann@box 1a2b3c4d"; "" where our role may not see it. */
  readonly application: string;
  readonly address: string;
  /** ISO 8601. */
  readonly since: string;
}

export interface DatabaseLockOptions {
  /** For others to read: "deploy:prod ann@box 1a2b3c4d". */
  readonly holder: string;
  /** Whether to wait until the other run ends. */
  readonly wait: boolean;
  readonly onWait: (holder: DatabaseHolder) => void;
  readonly signal: AbortSignal;
}

/** "lett": with the hash of the database's name any two tools that deploy on it use the same key. */
const classId = 0x6c657474;
const pauseMs = 2_000;
/** pg_stat_activity keeps 63 bytes (NAMEDATALEN - 1). */
const longestName = 63;

/**
 * Takes the lock of a database outside, for a whole command: an advisory lock in a session of its
 * own, so for every host that uses this database. The session is asked every five seconds, and its
 * server ends it after a minute of silence. It is in another database where the role may connect
 * to one, as a session keeps a database from being copied and renamed.
 * @throws Problem LOCKED with who, from where and since when; DATABASE_REFUSED where the server
 *   lets us in nowhere, or a pooler shares its sessions among clients
 */
export async function takeDatabaseLock(
  server: DatabaseServer,
  options: DatabaseLockOptions,
): Promise<Held> {
  let reported: string | undefined;
  for (;;) {
    options.signal.throwIfAborted();
    const { said, ...held } = await open(server, lockScript(server.name, options.holder));
    const rows = new Map(said.split("\n").map((line) => [line.split("\u001f")[0], line]));
    if (rows.has("shared")) {
      await held.release();
      throw pooled(server.name);
    }
    if (rows.get("lock")?.endsWith("\u001ft")) return held;
    await held.release();
    const [, pid = "", application = "", address = "", since = ""] =
      rows.get("holder")?.split("\u001f") ?? [];
    const holder = { pid, application, address, since };
    if (!options.wait) throw locked(server.name, holder);
    if (reported !== pid) options.onWait(holder);
    reported = pid;
    await sleep(pauseMs, undefined, { signal: options.signal });
  }
}

async function open(server: DatabaseServer, script: string): Promise<Staying> {
  let message = "";
  for (const database of ["postgres", server.name]) {
    const session = await server.stay(database, psqlScript, script, beat);
    if (session.isAlive !== undefined) return session;
    message = postgresWords(session.errors).words.join("; ") || session.errors;
  }
  throw new Problem("DATABASE_REFUSED", `LETTA_PG_URI: ${loginFault({ message })}`, {
    details: [message],
    next: "npm run doctor",
  });
}

/** The same backend answers for as long as the session is ours alone. */
const beat = {
  question: "SELECT CASE pg_backend_pid() WHEN :mine THEN 'alive' ELSE 'another backend' END;\n",
  answer: "alive",
};

/**
 * A second session that is asked while the first one idles reaches the same backend only through a
 * pooler that shares them (PgBouncer's pool_mode=transaction gives the last one out first).
 * Server-side settings end the session of a holder whose machine has gone.
 */
function lockScript(name: string, holder: string): string {
  const key = `${classId}, hashtext(${quoteText(name)})`;
  const application = Buffer.from(`letta-stack ${holder}`).subarray(0, longestName).toString();
  return `SELECT pg_backend_pid() AS mine \\gset
\\set other \`psql --no-psqlrc -qAtc 'SELECT pg_backend_pid()'\`
SELECT :'mine' = :'other' AS shared \\gset
\\if :shared
\\echo shared
\\else
SET application_name = ${quoteText(application)};
SET statement_timeout = 0; SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
SELECT set_config(name, '60s', false) FROM pg_settings WHERE name = 'idle_session_timeout' \\g /dev/null
SELECT 'lock', pg_try_advisory_lock(${key});
SELECT 'holder', l.pid, a.application_name, host(a.client_addr), to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM pg_locks l JOIN pg_database d ON d.oid = l.database LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = ${classId}
  AND l.objid = (hashtext(${quoteText(name)})::bigint & 4294967295)::oid
  AND d.datname = current_database() AND l.pid <> :mine LIMIT 1;
\\endif
`;
}

function locked(name: string, { pid, application, address, since }: DatabaseHolder): Problem {
  const who = application.replace(/^letta-stack /, "") || "a run of another role";
  const from = address === "" ? "" : ` from ${address}`;
  return new Problem(
    "LOCKED",
    `${who}${from} holds the lock of the database ${name} since ${since || "an unknown time"}`,
    {
      details: [
        `it is the server's process ${pid}; it ends with that run, and a minute after its machine or its connection has gone`,
      ],
      next: "wait for it to end (--wait), or stop that run",
    },
  );
}

function pooled(name: string): Problem {
  return new Problem(
    "DATABASE_REFUSED",
    `${name}: expected sessions of their own at LETTA_PG_URI, got a pooler that shares them (transaction mode)`,
    {
      details: ["a lock, a setting or a prepared statement of one session would be another's"],
      next: "let LETTA_PG_URI name Postgres itself, or a pool with pool_mode=session (Supabase: port 5432 instead of 6543; Neon: the host without -pooler)",
    },
  );
}
