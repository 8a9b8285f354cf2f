import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { hasEnded, processMark } from "../common/processMark.ts";
import type {
  Beat,
  CommandIo,
  CommandResult,
  Ended,
  Engine,
  Release,
  Staying,
} from "../docker/engine.ts";
import {
  clientEnvironment,
  postgresWords,
  psqlScript,
  quoteText,
  retryWhenFull,
} from "./psqlClient.ts";
import { adminRole, type Roles } from "./roles.ts";

/** What a statement answered: rows of text columns, or the SQLSTATE of its failure. */
export interface Answer {
  readonly rows: readonly (readonly string[])[];
  /** "" where all went well; "08000" where no connection came about. */
  readonly state: string;
  /** Postgres' own words on one line, without the contents of rows. */
  readonly message: string;
}

/** Asks a database. Bundled and external ones answer alike. */
export interface Database {
  /**
   * Runs one statement or several, in one session, up to the first that fails; `BEGIN; …;
   * COMMIT` makes one transaction of them. psql's own commands (`\gset`) stand on lines of
   * their own. The rows of all of them come back.
   * @param signal ends the session, see `ClientIo`
   */
  ask(statement: string, signal?: AbortSignal): Promise<Answer>;
  /** Holds a session open after this statement, until it is released, with a last statement or none. */
  hold(statement: string): Promise<Release>;
}

interface ClientIo extends CommandIo {
  /** Ends the client's session, and with it the client, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The Postgres server that the role's database is on, bundled or outside. */
export interface DatabaseServer {
  /** Bundled: in a container of the stack's own, which serves only this stack. */
  readonly place: "bundled" | "external";
  /** The role's own database. */
  readonly name: string;
  /** @param name the role's own where it is left out */
  database(name?: string): Database;
  /**
   * Runs psql, pg_dump, pg_restore and the like on a database; credentials go by PG*
   * variables, so that none stands in a command line.
   */
  client(database: string, argv: readonly string[], io?: ClientIo): Promise<CommandResult>;
  /** A session that stays until it is released, see `Engine.stay`. */
  stay(
    database: string,
    argv: readonly string[],
    stdin: string,
    beat: Beat,
  ): Promise<Staying | Ended>;
  /**
   * A database's address as containers of the stack reach it: a secret, as it holds the password.
   * @param as the role to log in as; the application's where it is left out
   */
  uri(database: string, as?: Login): string;
  /** Who is who on it; learnt once. */
  roles(): Promise<Roles>;
  /** After a change of the roles. */
  forgetRoles(): void;
}

/** A role with its password. */
interface Login {
  readonly user: string;
  readonly password: string;
}

export interface BundledPlace {
  readonly container: string;
  readonly user: string;
  readonly password: string;
  /** The role's own database. */
  readonly name: string;
}

interface ExternalPlace {
  readonly uri: string;
  /** The Postgres image whose clients ask it. */
  readonly image: string;
  /** The container network it is asked from. */
  readonly network: string;
}

/** Whom the clients in the database's container run as: `\!` of psql must not be root there. */
export const systemUser = "postgres";

/**
 * The stack's own server, asked through its container's socket, where it trusts everyone inside:
 * by the tool's own role, or by the application's where an earlier version made that the superuser.
 */
export function bundledServer(engine: Engine, place: BundledPlace): DatabaseServer {
  const as = (user: string, database: string) => ({
    ...always,
    PGUSER: user,
    PGDATABASE: database,
  });
  const roles = () => rolesOn(engine, place, as);
  const environment = async (database: string) => as((await roles()).tool, database);
  return serverOf("bundled", place.name, {
    client: async (database, argv, io = {}) =>
      engine.exec(place.container, argv, {
        ...io,
        user: systemUser,
        environment: { ...(await environment(database)), ...io.environment },
      }),
    async hold(database, stdin, until) {
      const io = { stdin, user: systemUser, environment: await environment(database) };
      return engine.hold(place.container, psqlScript, io, until);
    },
    stay: () => Promise.reject(new Error("the stack's own database is locked with its stack")),
    uri: (database, { user, password } = place) =>
      `postgresql://${user}:${password}@postgres:5432/${encodeURIComponent(database)}`,
    roles,
    forgetRoles: () => knownRoles.get(engine)?.delete(keyOf(place)),
  });
}

/** What was learnt of each cluster, as all work of a run asks the same one. */
const knownRoles = new WeakMap<Engine, Map<string, Roles>>();

const keyOf = ({ container, user }: BundledPlace) => `${container} ${user}`;

type Environment = (user: string, database: string) => Readonly<Record<string, string>>;

async function rolesOn(engine: Engine, place: BundledPlace, as: Environment): Promise<Roles> {
  const known = knownRoles.get(engine) ?? new Map<string, Roles>();
  knownRoles.set(engine, known);
  const found = known.get(keyOf(place)) ?? (await askRoles(engine, place, as));
  if (found !== undefined) known.set(keyOf(place), found);
  // Where the server does not answer, the work itself says why.
  return found ?? { application: place.user, tool: place.user, kind: "owner" };
}

/** @returns undefined where the server does not tell */
async function askRoles(
  engine: Engine,
  { container, user }: BundledPlace,
  as: Environment,
): Promise<Roles | undefined> {
  const isSuper = (role: string) =>
    `(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = ${role})`;
  const ask = async (tool: string) => {
    const { code, stdout, stderr } = await retryWhenFull(
      () =>
        engine.exec(container, psqlScript, {
          stdin: `SELECT ${isSuper("current_user")}, ${isSuper(quoteText(user))};\n`,
          user: systemUser,
          environment: as(tool, "postgres"),
        }),
      (ran) => ran.stderr,
    );
    const isMissing = stderr.includes(`role "${tool}" does not exist`);
    return { isMissing, ofBoth: code === 0 ? stdout.trim().split("\u001f") : undefined };
  };
  const own = await ask(adminRole);
  if (own.ofBoth?.[0] === "t") {
    const kind = own.ofBoth[1] === "t" ? "superuser" : "separate";
    return { application: user, tool: adminRole, kind };
  }
  if (own.ofBoth === undefined && !own.isMissing) return undefined;
  const { ofBoth } = await ask(user);
  if (ofBoth === undefined) return undefined;
  return { application: user, tool: user, kind: ofBoth[0] === "t" ? "superuser" : "owner" };
}

/**
 * A server outside, asked from containers of the Postgres image: from where the stack's
 * server will ask it too.
 */
export function externalServer(engine: Engine, place: ExternalPlace): DatabaseServer {
  const { environment, name } = clientEnvironment(place.uri);
  const user = environment["PGUSER"] ?? "";
  const shot = (database: string, entrypoint: readonly string[], io: CommandIo) => ({
    ...io,
    image: place.image,
    network: place.network,
    entrypoint,
    environment: {
      ...always,
      ...environment,
      ...io.environment,
      PGDATABASE: database,
      PGOPTIONS: [environment["PGOPTIONS"], io.environment?.["PGOPTIONS"]].join(" ").trim(),
    },
  });
  return serverOf("external", name, {
    client: (database, argv, io = {}) => engine.run(shot(database, argv, io)),
    hold: (database, stdin, until) => engine.runHeld(shot(database, psqlScript, { stdin }), until),
    stay: (database, argv, stdin, beat) => engine.stay(shot(database, argv, { stdin }), beat),
    // As text: an URL object would percent-encode a password that is right as it stands.
    uri: (database) =>
      place.uri.replace(
        /^([a-z]+:\/\/[^/?#]*)(?:\/[^?#]*)?/u,
        (_, before: string) => `${before}/${encodeURIComponent(database)}`,
      ),
    roles: () => Promise.resolve({ application: user, tool: user, kind: "owner" }),
    forgetRoles: () => undefined,
  });
}

/** The same server, of which nothing is asked before a check has passed. */
export function guardedServer(server: DatabaseServer, check: () => Promise<void>): DatabaseServer {
  const after =
    <Given extends unknown[], Result>(work: (...given: Given) => Promise<Result>) =>
    async (...given: Given) => {
      await check();
      return work(...given);
    };
  return {
    ...server,
    client: after(server.client),
    database(name) {
      const { ask, hold } = server.database(name);
      return { ask: after(ask), hold: after(hold) };
    },
  };
}

/** What this tool's own sessions are called in pg_stat_activity. */
export const applicationName = "letta-stack";

export const ownSession = `${applicationName} ${processMark}`;

/** Whether a session is of a process of this host that has ended. */
export function isLeftover(application: string): boolean {
  const [, mark] = /^letta-stack ([^/]+)(?:\/\d+)?$/u.exec(application) ?? [];
  return hasEnded(mark);
}

/** The messages of our own side in English, text as UTF-8, and who we are. */
const always = { LC_ALL: "C", PGCLIENTENCODING: "UTF8", PGAPPNAME: ownSession };

interface Access extends Pick<DatabaseServer, "stay" | "uri" | "roles" | "forgetRoles"> {
  client(database: string, argv: readonly string[], io?: CommandIo): Promise<CommandResult>;
  hold(database: string, stdin: string, until: RegExp): Promise<Release>;
}

/** Tells the clients of this process that can be interrupted from each other. */
let clients = 0;

function serverOf(
  place: DatabaseServer["place"],
  name: string,
  { client: once, hold, ...others }: Access,
): DatabaseServer {
  const again = (database: string, argv: readonly string[], io: CommandIo) => {
    const work = () => once(database, argv, io);
    // A stream cannot be read or written twice: a caller that has one creates it again itself.
    const isAgain = typeof io.stdin !== "object" && io.stdout === undefined;
    return isAgain ? retryWhenFull(work, ({ stderr }) => stderr) : work();
  };
  const client: DatabaseServer["client"] = (database, argv, { signal, ...io } = {}) => {
    if (signal === undefined) return again(database, argv, io);
    const session = `${ownSession}/${(clients += 1)}`;
    const environment = { ...io.environment, PGAPPNAME: session };
    return untilInterrupted(
      signal,
      () => again(database, argv, { ...io, environment }),
      () => endSession(server, session),
    );
  };
  const server: DatabaseServer = {
    ...others,
    place,
    name,
    client,
    database: (database = name) => ({
      ask: async (statement, signal) =>
        answer(await client(database, psqlScript, { stdin: `${statement}\n;\n`, signal })),
      hold: (statement) =>
        retryWhenFull(() => hold(database, `${statement};\n\\echo held\n`, /^held$/m)),
    }),
  };
  return server;
}

async function endSession(server: DatabaseServer, session: string): Promise<void> {
  await (
    await maintenance(server)
  ).ask(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = ${quoteText(session)}`,
  );
}

function answer(result: CommandResult): Answer {
  const rows = result.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\u001f"));
  if (result.code === 0) return { rows, state: "", message: "" };
  const { state, words } = postgresWords(result.stderr);
  return { rows: [], state, message: words.join("; ") };
}

/** Where every server lets one in, but some managed ones: what is renamed cannot be asked itself. */
const candidates = ["postgres", "template1"];

const found = new WeakMap<DatabaseServer, Set<string>>();

/**
 * A database to ask about the others from: one that none of the work is about.
 * @throws Problem DATABASE_REFUSED where the server lets us into none
 */
export async function maintenance(
  server: DatabaseServer,
  involved: readonly string[] = [],
): Promise<Database> {
  const open = found.get(server) ?? new Set<string>();
  found.set(server, open);
  // Of other databases the live one tells as well, where it is the only one to log in to.
  const free = [...candidates, server.name].filter((name) => !involved.includes(name));
  const details: string[] = [];
  for (const name of free) {
    const database = server.database(name);
    if (open.has(name)) return database;
    const { state, message } = await database.ask("SELECT 1");
    if (state === "") {
      open.add(name);
      return database;
    }
    details.push(`${name}: ${message}`);
  }
  throw new Problem(
    "DATABASE_REFUSED",
    `expected a login to ${free.join(" or ")}, from where databases are made, got none`,
    { details },
  );
}

/** A client that has not connected yet when it is interrupted is ended after this. */
const againMs = 500;

/**
 * The same server, of which everything that is asked ends within seconds of an interruption. For work
 * that may take minutes; what cleans up after it is asked of the server itself.
 * @param signal without one it is the server itself
 */
export function interruptible(server: DatabaseServer, signal?: AbortSignal): DatabaseServer {
  if (signal === undefined) return server;
  return {
    ...server,
    client: (database, argv, io) => server.client(database, argv, { ...io, signal }),
    database(name) {
      const { ask, hold } = server.database(name);
      return { ask: (statement) => ask(statement, signal), hold };
    },
  };
}

/**
 * Runs a client of Postgres until it ends, or until it is interrupted: an engine's exec cannot be ended,
 * but the session of its client can, and with it the client.
 * @param endSession ends the client's session where it has one yet
 * @throws the signal's reason where that is why it failed, or came before it began
 */
async function untilInterrupted(
  signal: AbortSignal,
  client: () => Promise<CommandResult>,
  endSession: () => Promise<unknown>,
): Promise<CommandResult> {
  signal.throwIfAborted();
  let hasEnded = false;
  const interrupt = async () => {
    while (!hasEnded) {
      await endSession().catch(() => undefined); // the next one may come through
      await sleep(againMs);
    }
  };
  const onAbort = () => void interrupt();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await client();
    if (result.code !== 0) signal.throwIfAborted();
    return result;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    hasEnded = true;
    signal.removeEventListener("abort", onAbort);
  }
}
