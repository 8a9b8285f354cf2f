import { Problem } from "../common/problem.ts";
import { assertAllows } from "../database/assertDatabase.ts";
import { clearScratch } from "../database/alterDatabases.ts";
import { clusterOf, findLettas, readLetta, type LettaFacts } from "../database/foundLetta.ts";
import { headsOf, sameRevisions } from "../database/revisions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { planSecrets, readSecrets } from "../database/storedSecrets.ts";
import { describeEngine } from "../docker/endpoint.ts";
import type { SourceEngine } from "../docker/sourceEngine.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { removeBackup } from "../state/backups.ts";
import { newestGood } from "../state/releases.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import { describeFiles, planAdoption, type AdoptionPlan } from "./adoptionPlan.ts";
import { openSource, type Source, type SourceRequest, type SourceTools } from "./adoptionSource.ts";
import { assertDiskFits, assertNamesFree, namesNeeded } from "./guards.ts";
import { currentState, presentState } from "./currentState.ts";
import { preparationOf } from "./deploy.ts";
import { newRun } from "./describeRelease.ts";
import { imageHistory } from "./imageHistory.ts";
import { judgeExternalDatabase } from "./databaseOf.ts";
import { recover } from "./recover.ts";
import { makeBackup, type Made } from "./adoptionBackup.ts";
import { restoreWithin, type RestoreOutcome } from "./restore.ts";
import { runMarks } from "./nextRelease.ts";
import { type Retaining, session, type SessionInput } from "./session.ts";
import { pastTarget, type Target } from "./target.ts";

export interface AdoptionInput extends Pick<SourceTools, "sources" | "uri" | "schema" | "hides"> {
  readonly from: SourceRequest;
  /** LETTA_ENCRYPTION_KEY of the source where its container does not tell it. */
  readonly encryptionKey: string | undefined;
  /** Whether what looks encrypted is plain, as the source never had a key. */
  readonly isPlain: boolean;
  /** Losses by Letta's own migrations that are accepted. */
  readonly accepted: readonly string[];
  /** Whether agents that only the stack has may be set aside. */
  readonly replaces: boolean;
}

export interface Adoption {
  readonly source: string;
  readonly plan: AdoptionPlan;
  /** What is not in the database and so stays behind. */
  readonly notCarried: readonly string[];
}

export interface AdoptionOutcome extends Adoption, RestoreOutcome {
  /** Stored secrets that the stack's key decrypts; all there are. */
  readonly secrets: number;
  /** Agents that the server listed on the migrated copy, over all organisations. */
  readonly agents: number;
  /** How many rows the old server has written since the dump, by table; empty where it does not run. */
  readonly since: Readonly<Record<string, number>>;
}

/**
 * Looks at a source and tells what an adoption would do. Reads only: of a source that does not run, a copy
 * is started for a moment.
 * @throws Problem as `adopt` does before its question
 */
export async function adoptionPlan(
  settings: Settings,
  input: AdoptionInput,
  context: Context,
): Promise<Adoption> {
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const present = newestGood(directory);
  const nothing = () =>
    new Problem(
      "NOTHING_RUNS",
      `${settings.environment} does not run: its server is what migrates the data`,
      {
        next: bringUpCommand(settings.environment),
      },
    );
  if (present === undefined) throw nothing();
  const observed = await context.engine.containers(settings.project);
  const preparation = { id: present.id, directory, observed, secretKey: undefined, keeps: false };
  const target = await pastTarget(
    settings,
    { ...present, restores: present.id },
    preparation,
    context,
  );
  const image = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const seen = await currentState(
    settings,
    directory,
    target.prepared.stack.server,
    image,
    context,
  );
  if (seen.database === undefined) throw nothing();
  const stack = { directory, target, server: seen.database };
  const { source, adoption } = await look(settings, input, stack, context);
  await source.close();
  return adoption;
}

/**
 * Moves an existing Letta in: dumps it, migrates and tries a copy with the present release's server, makes a
 * verified backup of that copy, and restores it as any other. The database it replaces is retained.
 * @throws Problem ADOPTION_REFUSED, REHEARSAL_FAILED, BACKUP_DAMAGED with nothing touched; ROLLED_BACK
 *   where the previous database serves again
 */
export function adopt(
  settings: Settings,
  input: Omit<SessionInput, "command"> & AdoptionInput & { readonly endSessions?: boolean },
  context: Context,
): Promise<AdoptionOutcome & Retaining> {
  return session(settings, { ...input, command: "adopt" }, context, async (begun) => {
    await recover(settings, begun);
    const { directory } = begun;
    const { target, seen } = await presentState(settings, begun);
    const server = seen.database!;
    const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
    assertAllows(await judgeExternalDatabase(settings, postgres, begun.context), [
      "write",
      "dump",
      "copy",
      "restore",
    ]);
    const looked = await look(settings, input, { directory, target, server }, begun.context);
    const { source, facts, adoption } = looked;
    let made: Made;
    try {
      const marks = runMarks(begun, {
        id: (await preparationOf(settings, begun)).id,
        run: newRun(begun.context),
      });
      await assertNamesFree(server, namesNeeded(marks));
      await assertDiskFits(directory, server, { databaseBytes: facts.bytes });
      await begun.context.reporter.confirm(`Move this into ${settings.environment}?`, [
        describeEngine(begun.context.engine),
        ...describeAdoption(adoption),
        "the present database stays under another name",
      ]);
      await clearScratch(server, marks("live").installation);
      const keys = { from: looked.key, to: stackKey(settings), isPlain: input.isPlain };
      const scratch = [marks("rehearsal"), marks("verification")] as const;
      made = await makeBackup({ settings, source, facts, target, server, scratch, keys }, begun);
    } finally {
      await source.close();
    }
    const { backup, secrets, agents, rows } = made;
    const restored = await restoreWithin(
      settings,
      { requested: backup.id, endSessions: input.endSessions === true, isConfirmed: true },
      begun,
    ).catch((error: unknown) => {
      // The source is there to make another: this one would pass for a state of the stack's database.
      removeBackup(directory, backup.id);
      throw error;
    });
    const since = source.isLive ? await writtenSince(source, rows) : {};
    return { ...adoption, secrets, agents, since, ...restored };
  });
}

/** What a source that goes on has more of now; nothing where it does not answer any more. */
async function writtenSince(
  { server, place }: Source,
  rows: LettaFacts["rows"],
): Promise<Record<string, number>> {
  const now = await readLetta(server, place).catch(() => undefined);
  const more = Object.entries(now?.rows ?? {}).map(
    ([table, count]) => [table, count - (rows[table] ?? 0)] as const,
  );
  return Object.fromEntries(more.filter(([, count]) => count > 0));
}

const stackKey = (settings: Settings) => settings.secrets.get("LETTA_ENCRYPTION_KEY");

interface Looked {
  /** Open. */
  readonly source: Source;
  readonly adoption: Adoption;
  readonly facts: LettaFacts;
  /** The source's LETTA_ENCRYPTION_KEY. */
  readonly key: string | undefined;
}

/** Opens a source, reads it, and plans. */
async function look(
  settings: Settings,
  input: AdoptionInput,
  stack: { readonly directory: string; readonly target: Target; readonly server: DatabaseServer },
  context: Context,
): Promise<Looked> {
  const { directory, target, server } = stack;
  const image = target.images.bySetting.get("LETTA_IMAGE")!;
  const id = target.images.idByReference.get(image)!;
  const role = target.prepared.stack.server;
  const history = await imageHistory(id, role, { directory, keeps: false }, context);
  const present = newestGood(directory)!;
  if (!sameRevisions(present.revision, headsOf(history))) {
    throw new Problem(
      "ADOPTION_REFUSED",
      `release ${present.id} serves at ${present.revision.join(", ")}: expected its server's own heads`,
      { next: bringUpCommand(settings.environment) },
    );
  }
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const tools: SourceTools = { ...input, context, postgres };
  const source = await openSource(input.from, tools);
  try {
    const facts = await context.reporter.step(
      `read ${source.description}`,
      () => readLetta(source.server, source.place),
      ({ agents, revision, postgres: version }) =>
        `${agents} agents, revision ${revision.join(", ")}, PostgreSQL ${version}`,
    );
    const key = input.encryptionKey ?? (source.environment["LETTA_ENCRYPTION_KEY"] || undefined);
    const keys = { from: key, to: stackKey(settings), isPlain: input.isPlain };
    const stored = await readSecrets(source.server.database(facts.database), facts.schema);
    const secrets = await planSecrets(stored, keys, context.randomBytes);
    const [live] = await findLettas(server, server.name);
    const version = await server.database().ask("SHOW server_version");
    const plan = planAdoption({
      description: source.description,
      isLive: source.isLive,
      source: facts,
      secrets,
      hasSourceKey: key !== undefined,
      hasStackKey: stackKey(settings) !== undefined,
      history,
      target: {
        database: server.name,
        postgres: version.rows[0]?.[0] ?? "",
        cluster: await clusterOf(server.database()),
        agentIds: live === undefined ? [] : (await readLetta(server, live)).agentIds,
      },
      accepted: input.accepted,
      replaces: input.replaces,
    });
    const notCarried = await leftBehind(source, facts, settings, input.sources);
    return { source, facts, key, adoption: { source: source.description, plan, notCarried } };
  } catch (error) {
    await source.close();
    throw error;
  }
}

const lettaFolder = "/root/.letta";

/** What stays behind: it is in no table. */
async function leftBehind(
  source: Source,
  facts: LettaFacts,
  settings: Settings,
  sources: SourceEngine,
): Promise<string[]> {
  const { container } = source;
  const files = container === undefined ? [] : await sources.files(container.id, lettaFolder);
  const lines = describeFiles(files).map((line) => `${lettaFolder}/${line}`);
  const here = new Map(settings.entries().map((one) => [String(one.name), one.value]));
  const set = Object.entries(source.environment)
    .filter(
      ([name, value]) =>
        /_API_KEY$|_BASE_URL$|_API_BASE$/u.test(name) && value !== "" && here.get(name) !== value,
    )
    .map(([name]) => name)
    .sort();
  if (set.length > 0)
    lines.push(`settings of the old server that differ here or are not set: ${set.join(", ")}`);
  if (facts.providers.length > 0)
    lines.push(`models' providers that agents use: ${facts.providers.join(", ")}`);
  lines.push(
    "runs in progress (Redis), logs, the old address and password: clients need the new ones",
  );
  return lines;
}

/** The plan in lines, for people. */
export function describeAdoption({ source, plan, notCarried }: Adoption): string[] {
  const { postgres, schema, revision, heads, migrations, rows, agents, organizations, secrets } =
    plan;
  const total = Object.values(rows).reduce((sum, one) => sum + one, 0);
  return [
    `source: ${source}`,
    `  PostgreSQL ${postgres}, schema ${schema}, revision ${revision.join(", ")}`,
    `  ${agents} agents in ${organizations} organisations, ${total} rows in ${Object.keys(rows).length} tables`,
    `database: ${migrations === 0 ? "at the server's own head" : `${migrations} migrations to ${heads.join(", ")}`}`,
    `stored secrets: ${secrets.encrypted} encrypted, ${secrets.plain} plain, ${secrets.toWrite} to be encrypted`,
    ...(plan.setAside.length > 0
      ? [
          `set aside with the present database: ${plan.setAside.length} agents that the source has not`,
        ]
      : []),
    ...plan.notes.map((one) => `note: ${one}`),
    ...notCarried.map((one) => `not carried: ${one}`),
  ];
}
