import { durationMs } from "../common/units.ts";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { admitRehearsal } from "../database/admitRehearsal.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { scratchProject } from "../state/stateDirectory.ts";
import { readAdopted } from "../state/releases.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import { writeFile } from "../state/writeFile.ts";
import { readyTls } from "./databaseOf.ts";
import type { Context } from "../state/context.ts";
import { waitFor } from "./waitFor.ts";
import type { Settings } from "../settings/readSettings.ts";
import { rehearsalStack, rehearsalUri, type RehearsalStack } from "../stack/rehearsalStack.ts";
import type { Stack } from "../stack/renderStack.ts";
import { request, type Reply } from "../checks/request.ts";
import { smoke } from "../checks/smoke.ts";

/** A server of the rehearsal: a release's server, under the settings it has there. */
export interface RehearsedServer {
  readonly stack: Stack;
  readonly settings: Settings;
}

/** How long a rehearsed server gets to stop: it has no requests. */
const leaveSeconds = 2;

/** Servers and migrations on a copy of the database, apart from the stack and without clients. */
export interface RehearsalEnvironment {
  /** Runs a server's migration step to its end. */
  migrate(rehearsedServer: string): Promise<void>;
  /** Starts a server. @returns how long until it was healthy */
  boot(rehearsedServer: string): Promise<number>;
  /** Writes, reads and deletes through a server. @returns how many requests it answered */
  ask(rehearsedServer: string): Promise<number>;
  /** Asks a server for one thing, as this user of Letta's. */
  read(rehearsedServer: string, path: string, user: string): Promise<Reply>;
  /** Stops a server, which may boot again. */
  leave(rehearsedServer: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Creates a rehearsal environment on a copy of the database. Leftovers of an earlier one are removed first.
 * @param database the copy's name
 */
export async function openRehearsalEnvironment(
  rehearsedServers: ReadonlyMap<string, RehearsedServer>,
  { server, database }: { readonly server: DatabaseServer; readonly database: string },
  { settings, directory }: { readonly settings: Settings; readonly directory: string },
  context: Context,
): Promise<RehearsalEnvironment> {
  const project = rehearsalProject(settings.project, directory, context);
  const network = settings.has("LETTA_PG_URI") ? "bridge" : `${settings.project}_backend`;
  const stacks = new Map([...rehearsedServers].map(([name, { stack }]) => [name, stack]));
  const rehearsalEnvironment = rehearsalStack(stacks, project, network);
  const file = join(directory, "rehearsal.yaml");
  writeFile(file, rehearsalEnvironment.text);
  await context.engine.down(project, true);
  // The database that runs may be from before the stack had TLS, which these servers ask for.
  for (const one of stacks.values()) await readyTls(one, server);
  const uri = await admitRehearsal(server, database, context.randomBytes);
  const secrets = { ...Object.fromEntries(settings.secrets), [rehearsalUri]: uri };
  await context.engine.create(
    { file, project, secrets },
    rehearsalEnvironment.services.map((one) => one.name),
  );
  const ids = new Map(
    (await context.engine.containers(project)).map((one) => [one.service, one.id] as const),
  );
  const start = async (name: string, limitSeconds: number) => {
    const service = part(rehearsalEnvironment, name);
    const id = ids.get(name)!;
    const before = await context.engine.inspect(id);
    await context.engine.start(id);
    await waitFor(service, before, limitSeconds, context, context.signal);
    return id;
  };
  const passwordOf = (name: string) => {
    const { settings: own } = rehearsedServers.get(name)!;
    return own.get("SECURE") === "true" ? own.secrets.get("LETTA_SERVER_PASSWORD") : undefined;
  };
  return {
    async migrate(rehearsedServer) {
      await start(
        `${rehearsedServer}-migrate`,
        durationMs(settings.get("MIGRATION_TIMEOUT")) / 1000,
      );
    },
    async boot(rehearsedServer) {
      const started = context.now();
      await start(rehearsedServer, durationMs(settings.get("SERVER_TIMEOUT")) / 1000);
      return (context.now() - started) / 1000;
    },
    async read(rehearsedServer, path, user) {
      const { port } = rehearsedServers.get(rehearsedServer)!.stack.server;
      const password = passwordOf(rehearsedServer);
      const authorization = password === undefined ? {} : { authorization: `Bearer ${password}` };
      return request(`http://127.0.0.1:${port}${path}`, {
        connection: await context.engine.connect(ids.get(rehearsedServer)!, port),
        headers: { ...authorization, user_id: user },
        timeoutMs: 60_000,
      });
    },
    async ask(rehearsedServer) {
      const { stack } = rehearsedServers.get(rehearsedServer)!;
      const password = passwordOf(rehearsedServer);
      const parts = {
        container: ids.get(rehearsedServer)!,
        server: stack.server,
        password,
      };
      try {
        return await smoke(parts, context.engine);
      } catch (error) {
        throw new Problem("REHEARSAL_FAILED", (error as Error).message, { cause: error });
      }
    },
    leave: (rehearsedServer) => context.engine.stop(ids.get(rehearsedServer)!, leaveSeconds),
    close: () => context.engine.down(project, true),
  };
}

/** A server's whole rehearsal: boots it, writes, reads and deletes through it, and stops it. */
export async function play(
  rehearsalEnvironment: RehearsalEnvironment,
  rehearsedServer: string,
): Promise<{ requests: number; bootSeconds: number }> {
  try {
    const bootSeconds = await rehearsalEnvironment.boot(rehearsedServer);
    return { requests: await rehearsalEnvironment.ask(rehearsedServer), bootSeconds };
  } finally {
    await rehearsalEnvironment.leave(rehearsedServer);
  }
}

/** The version that a server runs. */
export function tagOf({ settings }: RehearsedServer): string {
  return settings.get("LETTA_VERSION");
}

/** The Compose project of a rehearsal next to this one. */
export function rehearsalProject(
  project: string,
  directory: string,
  { randomBytes }: Pick<Context, "randomBytes">,
): string {
  const installation = installationId(secretKey(directory, randomBytes));
  return scratchProject(project, "rehearsal", installation);
}

/** The rehearsals that a killed run may have left: of this installation, and of those it has adopted. */
export function leftRehearsals(
  project: string,
  directory: string,
  context: Pick<Context, "randomBytes">,
): string[] {
  const adopted = readAdopted(directory).installations;
  const others = adopted.map((one) => scratchProject(project, "rehearsal", one));
  return [rehearsalProject(project, directory, context), ...others];
}

function part(rehearsalEnvironment: RehearsalStack, name: string) {
  return rehearsalEnvironment.services.find((one) => one.name === name)!;
}
