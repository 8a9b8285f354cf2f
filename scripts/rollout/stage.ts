import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { admitRehearsal } from "../database/admitRehearsal.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { scratchProject } from "../ledger/scratchProject.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { writeFile } from "../ledger/writeFile.ts";
import { readyTls } from "../parts/readyTls.ts";
import type { Tools } from "../parts/tools.ts";
import { waitFor } from "../parts/waitFor.ts";
import type { Settings } from "../settings/readSettings.ts";
import { rehearsalStack, rehearsalUri, type RehearsalStack } from "../stack/rehearsalStack.ts";
import type { Stack } from "../stack/renderStack.ts";
import { smoke } from "../verification/smoke.ts";

/** One who plays on the stage: a release's server, under the settings it has there. */
export interface Actor {
  readonly stack: Stack;
  readonly settings: Settings;
}

/** For a server on a stage to stop: nobody waits for an answer of its. */
const leaveSeconds = 2;

/** Servers and migrations on a copy of the database, beside the stack and seen by nobody. */
export interface Stage {
  /** Runs an actor's migration step to its end. */
  migrate(actor: string): Promise<void>;
  /** Starts an actor's server. @returns how long until it was healthy */
  boot(actor: string): Promise<number>;
  /** Writes, reads and deletes through an actor's server. @returns how many requests it answered */
  ask(actor: string): Promise<number>;
  /** Stops an actor's server, which may boot again. */
  leave(actor: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Sets a stage on a copy of the database. What an earlier one left is cleared away first.
 * @param database the copy's name
 */
export async function openStage(
  actors: ReadonlyMap<string, Actor>,
  { server, database }: { readonly server: DatabaseServer; readonly database: string },
  { settings, directory }: { readonly settings: Settings; readonly directory: string },
  tools: Tools,
): Promise<Stage> {
  const project = stageProject(settings.project, directory, tools);
  const network = settings.has("LETTA_PG_URI") ? "bridge" : `${settings.project}_backend`;
  const stacks = new Map([...actors].map(([name, { stack }]) => [name, stack]));
  const stage = rehearsalStack(stacks, project, network);
  const file = join(directory, "rehearsal.yaml");
  writeFile(file, stage.text);
  await tools.engine.down(project, true);
  // The database that runs may be from before the stack had TLS, which these servers ask for.
  for (const one of stacks.values()) await readyTls(one, server);
  const uri = await admitRehearsal(server, database, tools.randomBytes);
  const secrets = { ...Object.fromEntries(settings.secrets), [rehearsalUri]: uri };
  await tools.engine.create(
    { file, project, secrets },
    stage.services.map((one) => one.name),
  );
  const ids = new Map(
    (await tools.engine.containers(project)).map((one) => [one.service, one.id] as const),
  );
  const start = async (name: string, limitSeconds: number) => {
    const service = part(stage, name);
    const id = ids.get(name)!;
    const before = await tools.engine.inspect(id);
    await tools.engine.start(id);
    await waitFor(service, before, limitSeconds, tools, tools.signal);
    return id;
  };
  return {
    async migrate(actor) {
      await start(`${actor}-migrate`, Number(settings.get("MIGRATION_WAIT_SECONDS")));
    },
    async boot(actor) {
      const started = tools.now();
      await start(actor, Number(settings.get("SERVER_WAIT_SECONDS")));
      return (tools.now() - started) / 1000;
    },
    async ask(actor) {
      const { stack, settings: own } = actors.get(actor)!;
      const isSecure = own.get("SECURE") === "true";
      const password = isSecure ? own.secrets.get("LETTA_SERVER_PASSWORD") : undefined;
      const parts = {
        container: ids.get(actor)!,
        server: stack.server,
        password,
      };
      try {
        return await smoke(parts, tools.engine);
      } catch (error) {
        throw new Problem("REHEARSAL_FAILED", (error as Error).message, { cause: error });
      }
    },
    leave: (actor) => tools.engine.stop(ids.get(actor)!, leaveSeconds),
    close: () => tools.engine.down(project, true),
  };
}

/** An actor's whole part: boots its server, writes, reads and deletes through it, and stops it. */
export async function play(
  stage: Stage,
  actor: string,
): Promise<{ requests: number; bootSeconds: number }> {
  try {
    const bootSeconds = await stage.boot(actor);
    return { requests: await stage.ask(actor), bootSeconds };
  } finally {
    await stage.leave(actor);
  }
}

/** The version an actor plays. */
export function tagOf({ settings }: Actor): string {
  return settings.get("LETTA_VERSION");
}

/** The Compose project of a rehearsal beside this one. */
export function stageProject(
  project: string,
  directory: string,
  { randomBytes }: Pick<Tools, "randomBytes">,
): string {
  return scratchProject(project, "rehearsal", secretKey(directory, randomBytes));
}

function part(stage: RehearsalStack, name: string) {
  return stage.services.find((one) => one.name === name)!;
}
