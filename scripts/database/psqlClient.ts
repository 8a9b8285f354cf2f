import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";

/**
 * Parameters of a database URI and the variable by which libpq's clients read each
 * (PostgreSQL 17, "Environment Variables" of libpq).
 */
const variables: Readonly<Record<string, string>> = {
  channel_binding: "PGCHANNELBINDING",
  connect_timeout: "PGCONNECT_TIMEOUT",
  gssdelegation: "PGGSSDELEGATION",
  gssencmode: "PGGSSENCMODE",
  gsslib: "PGGSSLIB",
  hostaddr: "PGHOSTADDR",
  krbsrvname: "PGKRBSRVNAME",
  load_balance_hosts: "PGLOADBALANCEHOSTS",
  options: "PGOPTIONS",
  require_auth: "PGREQUIREAUTH",
  ssl: "PGSSLMODE", // asyncpg's name for it
  ssl_max_protocol_version: "PGSSLMAXPROTOCOLVERSION",
  ssl_min_protocol_version: "PGSSLMINPROTOCOLVERSION",
  sslcert: "PGSSLCERT",
  sslcrl: "PGSSLCRL",
  sslcrldir: "PGSSLCRLDIR",
  sslkey: "PGSSLKEY",
  sslmode: "PGSSLMODE",
  sslnegotiation: "PGSSLNEGOTIATION",
  sslrootcert: "PGSSLROOTCERT",
  sslsni: "PGSSLSNI",
  target_session_attrs: "PGTARGETSESSIONATTRS",
};

/** Only the stack's server gets it: the tool's sessions have a name of their own, by which they are distinguished from others. */
const ownName = "application_name";

interface ClientEnvironment {
  readonly environment: Readonly<Record<string, string>>;
  /** The database that the URI names. */
  readonly name: string;
  /** What the stack's server calls itself, "" where the URI does not say. */
  readonly applicationName: string;
  /** Parameters that only the server gets: psql and pg_dump have no variable for them. */
  readonly dropped: readonly string[];
}

/**
 * What is wrong with a database's address, most often a password that is not percent-encoded. Pure.
 * @returns undefined for one that the clients can use; nothing of the address stands in the answer
 */
export function addressFault(uri: string): string | undefined {
  try {
    const { username, password, pathname, hash } = new URL(uri);
    [username, password, pathname].forEach((one) => decodeURIComponent(one));
    // In `u:12/3@h/db` the password ends the address' first part too early, and 12 passes for a port.
    if (hash === "" && (username !== "" || !uri.includes("@"))) return undefined;
  } catch {
    // said below: an error of these quotes what it could not read
  }
  return "expected a database's address as postgresql://user:password@host:5432/database, percent-encode the password in it (# is %23, % is %25, / is %2F, ? is %3F, @ is %40)";
}

/** What of a database's address may stand in no output, whether it can be read or not. */
export function addressSecrets(uri: string): string[] {
  const longest = /^[^:]+:\/\/[^:@/]*:(.*)@/su.exec(uri.trim())?.[1] ?? "";
  const passwords = [longest, longest.split("@")[0]!];
  return [uri.trim(), ...passwords, ...passwords.map(decoded)].filter((one) => one !== "");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * A database URI as the variables that Postgres' clients read, so that no password stands in
 * a command line.
 * @throws Problem USAGE for what is no such URI
 */
export function clientEnvironment(uri: string): ClientEnvironment {
  const fault = addressFault(uri);
  if (fault !== undefined) throw new Problem("USAGE", fault);
  const address = new URL(uri);
  const name = decodeURIComponent(address.pathname.slice(1));
  const parameters = [...address.searchParams].filter(([parameter]) => parameter !== ownName);
  const known = parameters.flatMap(([parameter, value]) => {
    const variable = variables[parameter];
    return variable === undefined ? [] : [[variable, value]];
  });
  const environment = {
    PGHOST: address.hostname.replace(/^\[(.*)\]$/u, "$1"),
    PGPORT: address.port || "5432",
    PGUSER: decodeURIComponent(address.username),
    PGPASSWORD: decodeURIComponent(address.password),
    PGCONNECT_TIMEOUT: "5",
    ...(Object.fromEntries(known) as Record<string, string>),
  };
  const dropped = parameters.flatMap(([one]) => (variables[one] === undefined ? [one] : []));
  const applicationName = address.searchParams.get(ownName) ?? "";
  return { environment, name, applicationName, dropped };
}

/** No connection came about: the clients give no SQLSTATE then. */
const noConnection = "08000";

const mostLines = 8;

/** Where in Postgres' source, which object again, which line of our own statement: not for people. */
const noise =
  /^(?:LOCATION|(?:SCHEMA|TABLE|COLUMN|DATATYPE|CONSTRAINT) NAME): |^LINE \d+:|^pg_dump: detail: Query was: |^\s*\^?\s*$/u;

/**
 * What Postgres or one of its clients said when it failed, without the contents of rows:
 * those do not belong into a log.
 * @param stderr of psql (verbose, any language), pg_dump or pg_restore
 * @returns the SQLSTATE where psql printed it, else 08000; and the words, a line each
 */
export function postgresWords(stderr: string): { state: string; words: string[] } {
  const stated = /^\S+: {2}([0-9A-Z]{5}): /mu.exec(stderr);
  const [said = ""] = stderr.split(/^Command was: /mu);
  const words = said
    .split("\n")
    .filter((line) => !noise.test(line) && !/Failing row contains/u.test(line))
    .map((line) =>
      line
        .replace(/^(\S+): {2}[0-9A-Z]{5}: /u, "$1: ")
        .replace(/^(\S+: {2}COPY .*, line \d+(?:, column [^:]*)?): .*$/u, "$1")
        .replace(/^pg_(?:dump|restore): (?:error: )?/u, "")
        .replace(/ {2}/gu, " ")
        .trim(),
    );
  return { state: stated?.[1] ?? noConnection, words: words.slice(0, mostLines) };
}

/** psql as scripts want it: plain rows, no start-up file, the first error ends it with its SQLSTATE. */
export const psqlScript = [
  "psql",
  "--no-psqlrc",
  "--quiet",
  "--no-align",
  "--tuples-only",
  "--field-separator=\u001f",
  "--set=ON_ERROR_STOP=1",
  "--set=VERBOSITY=verbose",
] as const;

/** A name as SQL has it, whatever it holds. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL has it, whatever it holds and however the server reads backslashes. */
export function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll("\\", "\\\\")}'`;
  return text.includes("\\") ? ` E${quoted}` : quoted;
}

/** What Postgres answers when all its connections are taken (53300). */
const crowded =
  /sorry, too many clients already|remaining connection slots are reserved|too many connections for/u;

const patienceMs = 30_000;
const pauseMs = 250;

/**
 * Does what begins with a connection, again where there was none to be had: a server
 * without a pool opens one for each request (SQLAlchemy's NullPool), so a busy one has all there are.
 * @param work does nothing where it gets no connection
 * @param words what it said when it failed, where it does not throw that
 * @returns what it came to at last; after half a minute without a connection that
 */
export async function retryWhenFull<Result>(
  work: () => Promise<Result>,
  words: (result: Result) => string = () => "",
): Promise<Result> {
  for (let waited = 0; waited < patienceMs; waited += pauseMs) {
    try {
      const result = await work();
      if (!crowded.test(words(result))) return result;
    } catch (error) {
      const details = error instanceof Problem ? error.details : [];
      if (!crowded.test([(error as Error).message, ...details].join("\n"))) throw error;
    }
    await sleep(pauseMs);
  }
  return work();
}
