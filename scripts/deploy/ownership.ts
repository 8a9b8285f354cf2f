import { Problem } from "../common/problem.ts";
import { alterDatabases } from "../database/alterDatabases.ts";
import {
  commentStatement,
  databases,
  type FoundDatabase,
  type Mark,
  releaseInName,
} from "../database/databaseNames.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { labels } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import { keepAdopted, readAdopted, releaseIds } from "../state/releases.ts";
import { installationId, readKey, secretKey } from "../state/secretKey.ts";
import { databaseOf } from "./databaseOf.ts";

/** What is known of a state directory. */
export interface OwnState {
  /** Its installation's id and those that it has adopted. */
  readonly installations: readonly string[];
  /** The highest release that it has, or has adopted. */
  readonly newest: number;
  readonly hasReleases: boolean;
}

/** What was found of a stack. */
export interface FoundStack {
  readonly containers: readonly ObservedContainer[];
  /** Undefined where no database could be asked. */
  readonly databases: ReadonlyMap<string, FoundDatabase> | undefined;
  /** The role's own database. */
  readonly live: string;
  /** The database's volume, where it exists and no container uses it. */
  readonly volume: string | undefined;
}

interface Foreign {
  readonly what: string;
  readonly installation?: string | undefined;
  readonly release?: string | undefined;
}

/**
 * What this state directory did not make: pure. Containers and databases of earlier versions carry no
 * installation; theirs are those whose release this state directory has.
 */
export function foreignTo(own: OwnState, found: FoundStack): Foreign[] {
  const { installations, newest, hasReleases } = own;
  const isOther = (one: string | undefined) => one !== undefined && !installations.includes(one);
  // A run makes things before its own manifest is stored.
  const isAhead = (release: string | undefined, isOurs: boolean) =>
    Number(release ?? 0) > newest + (isOurs ? 1 : 0);
  const containers = found.containers.flatMap(({ name, labels: copiedRows }): Foreign[] => {
    const [installation, release] = [copiedRows[labels.installation], copiedRows[labels.release]];
    const isForeign = isOther(installation) || isAhead(release, installation !== undefined);
    return isForeign ? [{ what: `container ${name}`, installation, release }] : [];
  });
  const marked = [...(found.databases ?? [])].flatMap(([name, { mark }]): Foreign[] => {
    const release = mark?.release ?? releaseInName(found.live, name);
    const installation = mark?.installation;
    const isOfStack = name === found.live || releaseInName(found.live, name) !== undefined;
    const isLiveOfOther = name === found.live && isOther(installation);
    const isForeign = isLiveOfOther || isAhead(release, installation !== undefined);
    return isOfStack && isForeign ? [{ what: `database ${name}`, installation, release }] : [];
  });
  const isKnown = hasReleases || containers.length > 0 || marked.length > 0 || newest > 0;
  const left = found.volume !== undefined && !isKnown ? [{ what: `volume ${found.volume}` }] : [];
  return [...containers, ...marked, ...left];
}

/**
 * Asserts that this state directory made the stack that is there, before anything is touched; a run
 * that was asked to adopt takes it over.
 * @param database where it can be asked already
 * @returns the live database's mark, where the database was asked and has one
 * @throws Problem STATE_MISMATCH naming what was found
 */
export async function assertOwnState(
  settings: Settings,
  directory: string,
  observed: readonly ObservedContainer[],
  database: DatabaseServer | undefined,
  context: Pick<Context, "engine" | "reporter">,
): Promise<Mark | undefined> {
  const adopted = readAdopted(directory);
  const key = readKey(directory);
  const folders = releaseIds(directory);
  const own: OwnState = {
    installations: [...(key === undefined ? [] : [installationId(key)]), ...adopted.installations],
    newest: Math.max(Number(folders[0] ?? 0), Number(adopted.release)),
    hasReleases: folders.length > 0,
  };
  const volume = `${settings.project}_database`;
  const isIdle = !observed.some((one) => one.service === "postgres") && !own.hasReleases;
  const hasVolume = isIdle && (await context.engine.volumes(settings.project)).includes(volume);
  const found: FoundStack = {
    containers: observed,
    databases: database && (await databases(database)),
    live: database?.name ?? "",
    volume: hasVolume ? volume : undefined,
  };
  const foreign = foreignTo(own, found);
  const mark = found.databases?.get(found.live)?.mark;
  const details = foreign.map(describe);
  if (foreign.length > 0 && !adopted.isAsked) {
    throw new Problem(
      "STATE_MISMATCH",
      `${directory} is not the state directory of the running stack ${settings.project}`,
      {
        details: [...details, `the newest release in ${directory} is ${folders[0] ?? "none"}`],
        next: "set STATE_DIR to the state directory that made it, or repeat the command with --adopt-state",
      },
    );
  }
  const ids = foreign.flatMap(({ installation }) => installation ?? []);
  const releases = foreign.map(({ release }) => Number(release ?? 0));
  const installation = key && installationId(key);
  // An external database is asked only after the stack's containers were adopted.
  if (adopted.isAsked && database !== undefined && installation !== undefined) {
    const from = [...adopted.installations, ...ids];
    await adoptDatabases(database, found.databases!, from, installation);
  }
  if (foreign.length === 0) return mark;
  keepAdopted(directory, {
    installations: [...new Set([...adopted.installations, ...ids])],
    release: String(Math.max(own.newest, ...releases)).padStart(6, "0"),
  });
  await context.reporter.step("adopt stack of another state directory", () =>
    Promise.resolve(details),
  );
  for (const one of details) context.reporter.note(`adopted: ${one}`);
  return mark;
}

/** The same at the beginning of a command, with the bundled database where it runs and is not ours. */
export async function assertOwnStack(
  settings: Settings,
  directory: string,
  context: Context,
): Promise<void> {
  const id = installationId(secretKey(directory, context.randomBytes));
  const observed = await context.engine.containers(settings.project);
  const postgres = observed.find((one) => one.service === "postgres");
  // One of our own making has been asked before.
  const isAsked =
    !settings.has("LETTA_PG_URI") &&
    postgres?.state === "running" &&
    postgres.health === "healthy" &&
    postgres.labels[labels.installation] !== id;
  const place = { container: postgres?.id, image: "" };
  const database = isAsked ? databaseOf(settings, place, context) : undefined;
  await assertOwnState(settings, directory, observed, database, context);
}

/** A snapshot stays the earlier installation's: it may be all that is left of before a migration, so no run drops it. */
async function adoptDatabases(
  server: DatabaseServer,
  found: ReadonlyMap<string, FoundDatabase>,
  from: readonly string[],
  installation: string,
): Promise<void> {
  const statements = [...found].flatMap(([name, { mark }]) =>
    mark !== undefined && mark.purpose !== "snapshot" && from.includes(mark.installation)
      ? [commentStatement(name, { ...mark, installation })]
      : [],
  );
  if (statements.length === 0) return;
  await alterDatabases(server, [], statements.join("\n"), "the databases could not be marked");
}

function describe({ what, installation, release }: Foreign): string {
  const whose = installation === undefined ? [] : [`made by installation ${installation}`];
  return [what, ...(release === undefined ? [] : [`release ${release}`]), ...whose].join(", ");
}

/**
 * Marks the database that a release serves on. One with another comment keeps it, and one whose owner
 * our role is not stays unmarked, which is reported: the release is good all the same.
 */
export async function markLive(
  server: DatabaseServer,
  mark: Mark,
  context: Pick<Context, "reporter">,
): Promise<void> {
  try {
    const found = (await databases(server)).get(server.name);
    if (found === undefined || found.hasOtherComment) return;
    const isSame = found.mark?.run === mark.run && found.mark.encryptionKey === mark.encryptionKey;
    if (isSame) return;
    const statement = commentStatement(server.name, mark);
    await alterDatabases(server, [], statement, `${server.name} could not be marked`);
  } catch (error) {
    context.reporter.note(`the live database has no mark of this installation: ${String(error)}`);
  }
}
