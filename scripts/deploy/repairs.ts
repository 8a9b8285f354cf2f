import { Problem } from "../common/problem.ts";
import { sameRevisions } from "../database/revisions.ts";
import type { Database } from "../database/sql.ts";
import type { Rollout } from "./rollout.ts";
import type { Stack } from "../stack/renderStack.ts";
import { releasesNewestFirst } from "../state/releases.ts";

/**
 * The role's repairs that apply when a server of one version takes over from a newer one.
 * @param from the newer server's version, @param to the older one's
 */
export async function repairsFor(
  server: Stack["server"],
  from: string,
  to: string,
): Promise<Stack["server"]["repairs"]> {
  const [{ default: satisfies }, { default: coerce }] = await Promise.all([
    import("semver/functions/satisfies.js"),
    import("semver/functions/coerce.js"),
  ]);
  const version = (text: string) => coerce(text) ?? "0.0.0";
  return server.repairs.filter(
    (one) => satisfies(version(from), one.from) && satisfies(version(to), one.to),
  );
}

/** The repairs from whatever version wrote last to the one that takes over. */
export function repairsOf({
  target,
  previousTag,
}: Pick<Rollout, "target" | "previousTag">): ReturnType<typeof repairsFor> {
  const to = target.settings.get("LETTA_VERSION");
  return repairsFor(target.prepared.stack.server, previousTag ?? to, to);
}

/** SQLSTATEs of a table or column that an older schema does not have: nothing to repair there. */
const hasNoPlace = ["42P01", "42703"];

/**
 * Makes repairs, all or none.
 * @param older whether the schema was brought back too, which may lack what they repair
 * @throws Problem DATABASE_REFUSED with Postgres' own words
 */
export async function repair(
  database: Database,
  repairs: Stack["server"]["repairs"],
  older = false,
): Promise<void> {
  if (repairs.length === 0) return;
  const statements = repairs.flatMap((one) => one.sql);
  // On a copy, where each that has its place is made by itself.
  const input = older ? statements : [["BEGIN", ...statements, "COMMIT"].join(";\n")];
  for (const statement of input) {
    const { state, message } = await database.ask(statement);
    if (state === "" || (older && hasNoPlace.includes(state))) continue;
    throw refused(repairs, message);
  }
}

function refused(repairs: Stack["server"]["repairs"], message: string): Problem {
  return new Problem("DATABASE_REFUSED", "a repair of the role was refused, nothing was changed", {
    details: [...repairs.map((one) => one.description), message],
  });
}

/**
 * The repairs for a server that takes over a schema newer than its own: from the version
 * that brought the database there, whether that one came to be good or not.
 * @param at what the database is at
 * @param to the older server's version
 */
export function keepRepairs(
  directory: string,
  server: Stack["server"],
  at: readonly string[],
  to: string,
): Promise<Stack["server"]["repairs"]> {
  const writer = releasesNewestFirst(directory).find(({ heads }) => sameRevisions(heads, at));
  return repairsFor(server, writer?.tag ?? to, to);
}
