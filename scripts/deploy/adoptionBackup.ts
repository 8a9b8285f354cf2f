import { rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { askRows } from "../database/askRows.ts";
import { createDatabase } from "../database/makeDatabase.ts";
import { databaseName, type Mark } from "../database/databaseNames.ts";
import { type DatabaseOwn, databaseOwnQuery } from "../database/databaseOwn.ts";
import { dropScratch } from "../database/alterDatabases.ts";
import { dump } from "../database/dump.ts";
import {
  moveToPublic,
  readLetta,
  restoreSchema,
  revisionQueryIn,
  rowsIn,
  type LettaFacts,
} from "../database/foundLetta.ts";
import { type Database, type DatabaseServer, interruptible } from "../database/sql.ts";
import { quoteText } from "../database/psqlClient.ts";
import { planSecrets, readSecrets, writeSecrets, type Keys } from "../database/storedSecrets.ts";
import type { Settings } from "../settings/readSettings.ts";
import { type Backup, fingerprint, removeBackup } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import { newestGood } from "../state/releases.ts";
import type { Source } from "./adoptionSource.ts";
import { openRehearsalEnvironment, type RehearsalEnvironment } from "./rehearsalEnvironment.ts";
import { onCopy } from "./rehearse.ts";
import type { Session } from "./session.ts";
import { restoreProgress, takeBackup } from "./takeBackup.ts";
import type { Target } from "./target.ts";

export interface Making {
  readonly settings: Settings;
  readonly source: Source;
  readonly facts: LettaFacts;
  readonly target: Target;
  readonly server: DatabaseServer;
  /** Marks the copy that is migrated and tried, and the one that its dump is verified in. */
  readonly scratch: readonly [Mark, Mark];
  readonly keys: Keys;
}

export interface Made {
  readonly backup: Backup;
  readonly secrets: number;
  readonly agents: number;
  /** The rows of the source that are in it, by table. */
  readonly rows: LettaFacts["rows"];
}

/**
 * Makes a backup of the source as the present release would have written it: restored on the side, its
 * secrets under the stack's key, migrated, tried.
 */
export async function makeBackup(making: Making, begun: Session): Promise<Made> {
  const { settings, source, target, server, scratch } = making;
  const { directory, context } = begun;
  const working = interruptible(server, context.signal);
  const copy = databaseName(server.name, scratch[0]);
  const file = join(directory, "adopt.dump");
  let backup: Backup | undefined;
  try {
    const own = await ownOf(server);
    const restored = await restoreSource(making, { working, file, locale: own.locale }, context);
    const database = working.database(copy);
    await seal(making, database, context);
    const candidate = { stack: target.prepared.stack, settings: target.settings };
    const environment = await context.reporter.step("rehearse: create the environment", () =>
      openRehearsalEnvironment(
        new Map([["candidate", candidate]]),
        { server, database: copy },
        { settings, directory },
        context,
      ),
    );
    try {
      await context.reporter.step("rehearse: migrate the copy", () =>
        onCopy("the migration fails on a copy of the source", () =>
          environment.migrate("candidate"),
        ),
      );
      // What the migrations moved into new columns, and what none of them encrypts.
      const secrets = await seal(
        { ...making, keys: { ...making.keys, from: making.keys.to } },
        database,
        context,
      );
      backup = await takeBackup(
        {
          directory,
          server,
          database: copy,
          own,
          role: target.prepared.stack.server,
          reason: `adopted from ${source.description}`,
          release: newestGood(directory)!.id,
          encryptionKey: fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY")),
          scratch: scratch[1],
        },
        context,
      );
      const agents = await tryServer(environment, restored, target, context);
      return { backup, secrets, agents, rows: restored.rows };
    } finally {
      await environment.close();
    }
  } catch (error) {
    if (backup !== undefined) removeBackup(directory, backup.id);
    throw error;
  } finally {
    rmSync(file, { force: true });
    for (const one of scratch) await dropScratch(server, one);
  }
}

/**
 * Dumps the source and restores it into a database of its own.
 * @returns what is in it: a source that is live may have changed since it was planned with
 * @throws Problem BACKUP_DAMAGED where a table has not the rows of the dump's own moment
 */
async function restoreSource(
  { source, server, scratch: [mark], facts }: Making,
  {
    working,
    file,
    locale,
  }: {
    readonly working: DatabaseServer;
    readonly file: string;
    readonly locale: DatabaseOwn["locale"];
  },
  context: Context,
): Promise<LettaFacts> {
  const dumped = await context.reporter.step(
    "dump the source",
    (report) =>
      dump(interruptible(source.server, context.signal), {
        database: facts.database,
        path: file,
        revisionQuery: revisionQueryIn(facts.schema),
        schema: facts.schema,
        onBytes: (bytes) => report(`${(bytes / 1e6).toFixed(0)} MB written`),
      }),
    ({ bytes }) => `${(bytes / 1e6).toFixed(1)} MB`,
  );
  const from = { schema: facts.schema, vectorSchema: facts.vector?.schema };
  const restored = await context.reporter.step(
    "restore it on the side",
    async (report) => {
      await dropScratch(server, mark);
      const into = await createDatabase(server, mark, locale);
      await restoreSchema(working, into, file, from, restoreProgress(dumped, report));
      await moveToPublic(working.database(into), from);
      return readLetta(working, { database: into, schema: "public", agents: facts.agents });
    },
    () => "rows of every table as in the source",
  );
  const [expected, got] = [rowsIn(facts.schema, dumped.rows), restored.rows];
  const different = Object.keys({ ...expected, ...got }).filter(
    (one) => expected[one] !== got[one],
  );
  if (different.length === 0) return restored;
  throw new Problem("BACKUP_DAMAGED", "the restored source is not the one that was dumped", {
    details: different.map(
      (one) => `${one}: expected ${expected[one] ?? "no"} rows, got ${got[one] ?? "none"}`,
    ),
  });
}

/** Brings every stored secret under the stack's key. @returns how many there are */
async function seal({ keys }: Making, database: Database, context: Context): Promise<number> {
  return context.reporter.step(
    "bring stored secrets under the stack's key",
    async () => {
      const plan = await planSecrets(
        await readSecrets(database, "public"),
        keys,
        context.randomBytes,
      );
      if (plan.unreadable.length > 0) {
        throw new Problem("ADOPTION_REFUSED", "stored secrets cannot be decrypted", {
          details: plan.unreadable,
        });
      }
      await writeSecrets(database, "public", plan);
      return plan.encrypted + plan.plain;
    },
    (all) => `${all} secrets`,
  );
}

/** Boots the server on the migrated copy, uses it, and lists the agents of every organisation through it. */
async function tryServer(
  environment: RehearsalEnvironment,
  facts: LettaFacts,
  target: Target,
  context: Context,
): Promise<number> {
  const tag = target.settings.get("LETTA_VERSION");
  return context.reporter.step(
    `rehearse: ${tag} on the copy`,
    () =>
      onCopy("the server fails on a copy of the source", async () => {
        await environment.boot("candidate");
        await environment.ask("candidate");
        let listed = 0;
        for (const { id, user, agents } of facts.organizations) {
          if (user === null) {
            if (agents > 0)
              context.reporter.note(`${agents} agents of ${id} have no user to be listed as`);
            continue;
          }
          const found = await listAgents(environment, user);
          if (found !== agents)
            throw new Problem(
              "REHEARSAL_FAILED",
              `organisation ${id}: expected ${agents} agents, the server lists ${found}`,
            );
          listed += found;
        }
        return listed;
      }),
    (agents) => `lists ${agents} agents`,
  );
}

const pageSize = 100;

async function listAgents(environment: RehearsalEnvironment, user: string): Promise<number> {
  const ids = new Set<string>();
  for (let after = ""; ;) {
    const path = `/v1/agents/?limit=${pageSize}${after && `&after=${after}`}`;
    const { status, body } = await environment.read("candidate", path, user);
    if (status !== 200)
      throw new Problem(
        "REHEARSAL_FAILED",
        `GET ${path} as ${user}: ${status} ${body.slice(0, 200)}`,
      );
    if (body.includes('"<encrypted>"'))
      throw new Problem("REHEARSAL_FAILED", `GET ${path} as ${user}: a secret of an agent is lost`);
    const page = JSON.parse(body) as { id: string }[];
    page.forEach((one) => ids.add(one.id));
    const last = page.at(-1)?.id;
    if (page.length < pageSize || last === undefined || last === after) return ids.size;
    after = last;
  }
}

async function ownOf(server: DatabaseServer): Promise<DatabaseOwn> {
  const [found] = await askRows<{ own: DatabaseOwn }>(
    server.database(),
    `SELECT ${databaseOwnQuery(quoteText(server.name))} AS own`,
    `what ${server.name} is set to`,
  );
  return found!.own;
}
