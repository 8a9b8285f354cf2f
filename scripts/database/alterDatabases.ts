import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import {
  commentStatement,
  databaseName,
  databases,
  makingName,
  type Mark,
  type Purpose,
} from "./databaseNames.ts";
import { quoteName } from "./psqlClient.ts";
import { givers, handedOver, isAdministered } from "./roles.ts";
import { endSessions, type Session, sessions, sessionText } from "./sessions.ts";
import { type DatabaseServer, maintenance } from "./sql.ts";
import { giveDatabase } from "./takeOverRoles.ts";

/** SQLSTATE of a database that others are connected to. */
const objectInUse = "55006";

/**
 * Makes, renames or drops databases, asked from one that has no part in it.
 * @param involved those it is about
 * @param failure the Problem's message where it does not succeed
 * @throws Problem DATABASE_REFUSED with Postgres' words, and the sessions that are in the way
 */
export async function alterDatabases(
  server: DatabaseServer,
  involved: readonly string[],
  statement: string,
  failure: string,
): Promise<void> {
  const database = await maintenance(server, involved);
  const { state, message } = await database.ask(statement);
  if (state === "") return;
  const inTheWay = state === objectInUse ? await sessions(server, involved) : [];
  throw new Problem("DATABASE_REFUSED", failure, {
    details: [
      message,
      ...inTheWay.map((one) => `connected to ${one.database}: ${sessionText(one)}`),
    ],
  });
}

/** Postgres waits five seconds for sessions to end (PostgreSQL 17, CountOtherDBBackends). */
const rounds = 40;
const pauseMs = 250;

/**
 * Copies or renames databases that others are connected to: their sessions are ended while the
 * statement runs. It is its own fence: from its beginning on, new connections wait for its lock
 * (CREATE DATABASE and RENAME lock the database, InitPostgres waits for that), so that a client
 * which connects again at once cannot keep it away. Nothing has to be undone after a kill.
 * @param involved all databases that the statement is about
 * @param alone those of them that no session may be on
 * @returns the sessions that were ended
 * @throws Problem DATABASE_REFUSED naming the sessions that our role may not end
 */
export async function alterAlone(
  server: DatabaseServer,
  { involved, alone }: { readonly involved: readonly string[]; readonly alone: readonly string[] },
  statement: string,
  failure: string,
): Promise<readonly Session[]> {
  const done = new AbortController();
  const ended: Session[] = [];
  const ending = async () => {
    for (let round = 0; round < rounds && !done.signal.aborted; round += 1) {
      ended.push(...(await endSessions(server, alone)));
      await sleep(pauseMs, undefined, { signal: done.signal });
    }
  };
  const altering = alterDatabases(server, involved, statement, failure).finally(() => done.abort());
  // Where sessions could not be ended, the statement itself says what is in the way.
  const [altered] = await Promise.allSettled([altering, ending()]);
  if (altered.status === "rejected") throw altered.reason;
  return ended;
}

interface Renaming {
  readonly from: string;
  /** What the database is from now on: gives its name too. */
  readonly to: Mark;
}

/**
 * Renames databases and marks them anew in one transaction: all of them, or none. Their settings go
 * with them. What becomes live is given to the application's role, what was live is closed to it.
 * Sessions on them are ended.
 * @param renamings in this order: the first frees the name for the second
 * @returns the sessions that were ended
 * @throws Problem DATABASE_REFUSED naming the sessions that our role may not end
 */
export async function swapNames(
  server: DatabaseServer,
  renamings: readonly Renaming[],
): Promise<readonly Session[]> {
  const named = renamings.map(({ from, to }) => ({
    from,
    to,
    name: databaseName(server.name, to),
  }));
  const roles = await server.roles();
  const isHandedOver =
    isAdministered(roles) && named.some(({ from, to }) => isLive(to) || from === server.name);
  const incoming = named.find(({ to }) => isLive(to))?.from;
  if (isHandedOver && incoming !== undefined) {
    await giveDatabase(server, incoming, roles.application, givers(roles));
  }
  const { before, after } = isHandedOver
    ? handedOver(roles, server.name, named)
    : { before: [], after: [] };
  const statements = named.flatMap(({ from, to, name }) => [
    commentStatement(from, to),
    `ALTER DATABASE ${quoteName(from)} RENAME TO ${quoteName(name)};`,
  ]);
  const pairs = named.map(({ from, name }) => `${from} to ${name}`).join(", ");
  const involved = named.flatMap(({ from, name }) => [from, name]);
  return alterAlone(
    server,
    { involved, alone: named.map(({ from }) => from) },
    ["BEGIN;", ...before, ...statements, ...after, "COMMIT"].join("\n"),
    `the databases could not be renamed (${pairs})`,
  );
}

function isLive({ purpose }: Mark): boolean {
  return purpose === "live";
}

/** What is made for a run alone. What served, or was set aside, is data that the tool never drops. */
const scratch: readonly Purpose[] = ["rehearsal", "verification", "incoming", "snapshot"];

/** Whether an installation may drop the database with this mark. */
export function isScratch(mark: Mark | undefined, installation: string): boolean {
  return mark?.installation === installation && scratch.includes(mark.purpose);
}

/**
 * Drops the scratch database of this name, whichever sessions are connected to it; one that does not
 * exist is fine.
 * @param mark of the database that is to take the name
 * @throws Problem STATE_UNUSABLE for one that this installation did not make for a run;
 *   DATABASE_REFUSED
 */
export async function dropScratch(server: DatabaseServer, mark: Mark): Promise<void> {
  const name = databaseName(server.name, mark);
  const found = (await databases(server)).get(name);
  if (found === undefined) return;
  if (!isScratch(found.mark, mark.installation)) throw nameTaken([[name, found.mark]]);
  await drop(server, name);
}

/**
 * Drops all scratch databases of an installation, whatever they are called, and what a killed
 * creation has left.
 * @throws Problem DATABASE_REFUSED
 */
export async function clearScratch(server: DatabaseServer, installation: string): Promise<void> {
  const making = makingName(server.name, installation);
  for (const [name, { mark }] of await databases(server)) {
    if (name === making || isScratch(mark, installation)) await drop(server, name);
  }
}

/** The refusal to use names that databases have which this installation did not make. */
export function nameTaken(found: readonly (readonly [string, Mark | undefined])[]): Problem {
  const names = found.map(([name]) => name).join(", ");
  return new Problem("STATE_UNUSABLE", `expected these database names to be free: ${names}`, {
    details: found.map(([name, mark]) => `${name}: ${describeMark(mark)}`),
    next: `rename or drop ${names} by hand, once it is known what they hold`,
  });
}

function describeMark(mark: Mark | undefined): string {
  if (mark === undefined) return "carries no mark of letta-stack";
  const { installation, purpose, release } = mark;
  return `${purpose} of release ${release}, made by installation ${installation}`;
}

function drop(server: DatabaseServer, name: string): Promise<void> {
  const statement = `DROP DATABASE IF EXISTS ${quoteName(name)} WITH (FORCE)`;
  return alterDatabases(server, [name], statement, `${name} could not be dropped`);
}
