import { Problem } from "../common/problem.ts";
import { alterDatabases } from "./alterDatabases.ts";
import { databaseName, makingName } from "./databaseName.ts";
import { databases } from "./databases.ts";
import type { Mark, Purpose } from "./marks.ts";
import { quoteName } from "./quote.ts";
import type { DatabaseServer } from "./sql.ts";

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
