import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { estimateTables, type TableRows } from "../database/countTables.ts";
import { revision } from "../database/revisions.ts";
import type { Roles } from "../database/roles.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { newestGood } from "../state/releases.ts";
import { databaseOf } from "./databaseOf.ts";
import { assertOwnState } from "./ownership.ts";
import { assertOwn } from "./preflight.ts";
import type { Session } from "./session.ts";
import { pastTarget, type Target } from "./target.ts";
import { updateServices } from "./updateServices.ts";

/** The current state, before anything is decided: read from the engine, the state and the database. */
export interface CurrentState {
  readonly observed: readonly ObservedContainer[];
  /** The last good release; undefined where there was none. */
  readonly present: Release | undefined;
  /** The server the database is on; undefined while none runs. */
  readonly database: DatabaseServer | undefined;
  /** What the database says it is at; undefined while it does not run. */
  readonly revision: readonly string[] | undefined;
  /** Who is who in the database; undefined while it does not run. */
  readonly roles: Roles | undefined;
  /** The fingerprint of LETTA_ENCRYPTION_KEY that the live database is marked with. */
  readonly encryptionKey?: string | undefined;
  /** Whether the live database carries a mark, which is this installation's then. */
  readonly isMarked?: boolean;
  /** What it holds without saying any revision; undefined wherever it says one or is empty. */
  readonly unmarked: string | undefined;
}

/**
 * Looks at everything a decision is made from. Reads only.
 * @param image to ask a database outside with
 * @throws Problem FOREIGN_CONTAINERS, DATABASE_REFUSED; STATE_MISMATCH where another state directory
 *   made the running stack
 */
export async function currentState(
  settings: Settings,
  directory: string,
  server: Stack["server"],
  image: string,
  context: Context,
): Promise<CurrentState> {
  const observed = await context.engine.containers(settings.project);
  assertOwn(settings.project, observed);
  const container = observed.find((one) => one.service === "postgres");
  const isOutside = settings.has("LETTA_PG_URI");
  const runs = isOutside || (container?.state === "running" && container.health !== "starting");
  const database = runs
    ? databaseOf(settings, { container: container?.id, image }, context)
    : undefined;
  const [at, mark] = await Promise.all([
    database && revision(database.database(), server.revisionQuery),
    assertOwnState(settings, directory, observed, database, context),
  ]);
  const present = newestGood(directory);
  const tables = at?.length === 0 ? await estimateTables(database!.database()) : [];
  return {
    observed,
    present,
    database,
    revision: at,
    roles: await database?.roles(),
    encryptionKey: mark?.encryptionKey,
    isMarked: mark !== undefined,
    unmarked: unmarked(tables, present !== undefined && present.revision.length > 0),
  };
}

/** Tables without a row are data too, where a release has left a schema there. */
export function unmarked(tables: readonly TableRows[], hadSchema: boolean): string | undefined {
  const sum = tables.reduce((all, one) => all + (one.rows ?? 0), 0);
  // Too large a table to be counted is not empty, whatever its statistics say.
  const isEstimate = tables.some((one) => one.isEstimate);
  if (isEstimate) return `about ${sum} rows`;
  if (sum > 0) return `${sum} rows`;
  return hadSchema && tables.length > 0 ? `${tables.length} tables` : undefined;
}

/**
 * The release that serves, with its database running.
 * @throws Problem NOTHING_RUNS
 */
export async function presentState(
  settings: Settings,
  { directory, context }: Pick<Session, "directory" | "context">,
): Promise<{ target: Target; seen: CurrentState }> {
  const present = newestGood(directory);
  if (present === undefined) {
    throw new Problem("NOTHING_RUNS", `${settings.environment} has no good release`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const observed = await context.engine.containers(settings.project);
  const preparation = { id: present.id, directory, observed, secretKey: undefined, keeps: true };
  const own = { ...present, restores: present.id };
  const target = await pastTarget(settings, own, preparation, context);
  const { stack } = target.prepared;
  const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const file = join(directory, "releases", present.id, "compose.yaml");
  await ensureDatabase(settings, stack, file, image, context);
  const seen = await currentState(settings, directory, stack.server, image, context);
  if (seen.database !== undefined) return { target, seen };
  throw new Problem("NOTHING_RUNS", `the database of ${settings.environment} does not run`, {
    next: bringUpCommand(settings.environment),
  });
}

/**
 * Has the bundled database run where its data is already: it must be asked before anything
 * can be decided. One without data is left for the rollout itself.
 * @param file the release's compose.yaml that it is made from where its container has gone
 */
export async function ensureDatabase(
  settings: Settings,
  stack: Stack,
  file: string,
  postgres: string,
  context: Context,
): Promise<void> {
  const service = stack.services.find((one) => one.name === "postgres");
  if (service === undefined) return;
  const containers = await context.engine.containers(settings.project);
  const container = containers.find((one) => one.service === "postgres");
  if (container?.state === "running" && container.health === "healthy") return;
  const volumes = await context.engine.volumes(settings.project);
  if (!volumes.includes(`${settings.project}_database`)) return;
  const action = container === undefined ? "create" : "start";
  const changes = [
    { service: "postgres", action, causes: ["it holds what is to be asked"] },
  ] as const;
  await updateServices({ settings, stack, file, changes, postgres }, context);
}
