import type { Engine } from "../engine/engine.ts";
import { withMigrationLock } from "../database/migrationLock.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { StackService } from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";
import { databaseOf } from "./databaseOf.ts";
import type { Change } from "./planChanges.ts";
import { stopAll } from "./stopAll.ts";
import type { Tools } from "./tools.ts";
import { waitFor } from "./waitFor.ts";

export interface Execution {
  readonly settings: Settings;
  readonly stack: Stack;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  readonly changes: readonly Change[];
  /** The Postgres image, for asking a database outside. */
  readonly postgres: string;
}

/** What each step of the start is called, for people; others go by their service's name. */
const stepNames: Record<string, string> = {
  postgres: "database ready",
  migrate: "migrations",
  permissions: "sandbox permissions",
  collector: "collector healthy",
  server: "server healthy",
  proxy: "proxy healthy",
};

/**
 * Does what a plan says, in the stack's own order: stop what is replaced (last one first),
 * create, then start each part when those it waits for are ready.
 * @throws Problem STEP_FAILED at the first part that does not come up
 */
export async function execute(execution: Execution, tools: Tools): Promise<void> {
  const { stack, changes } = execution;
  const named = (...actions: Change["action"][]) =>
    changes.filter((one) => actions.includes(one.action)).map((one) => one.service);
  await stopAll(stack, named("recreate", "remove"), tools, "stop what is replaced");
  await removeLeftovers(stack, named("remove"), tools.engine);
  tools.signal.throwIfAborted();
  const create = named("create", "recreate");
  if (create.length > 0) {
    const call = composeCall(execution);
    await tools.say.step(`create ${create.join(", ")}`, () => tools.engine.create(call, create));
  }
  tools.signal.throwIfAborted();
  const starting: Promise<void>[] = [];
  const ids = new Map(
    (await tools.engine.containers(stack.project)).map((one) => [one.service, one.id]),
  );
  try {
    for (const service of stack.services) {
      const change = changes.find((one) => one.service === service.name);
      if (change === undefined || change.action === "none") continue;
      tools.signal.throwIfAborted();
      await tools.say.step(stepNames[service.name] ?? `${service.name} ready`, () =>
        startPart(execution, service, ids, starting, tools),
      );
    }
    await Promise.all(starting);
  } finally {
    // Whatever went wrong: nobody may clean up while Compose still starts something.
    await Promise.allSettled(starting);
  }
}

async function startPart(
  execution: Execution,
  service: StackService,
  ids: ReadonlyMap<string, string>,
  pending: Promise<void>[],
  tools: Tools,
): Promise<void> {
  const { settings, stack, postgres } = execution;
  const id = ids.get(service.name)!;
  const limit = waitSeconds(service.name, settings);
  const before = await tools.engine.inspect(id);
  if (service.name === stack.server.migrate) {
    const where = { container: ids.get("postgres"), image: postgres };
    // Once begun, a migration is seen through: some of Letta's commit in the middle.
    await withMigrationLock(databaseOf(settings, where, tools.engine), async () => {
      await tools.engine.start(id);
      await waitFor(service, before, limit, tools, undefined);
    });
    return;
  }
  if (before.state === "running" && before.health === "unhealthy") {
    await tools.engine.stop(id, service.graceSeconds);
  }
  const stopped = await tools.engine.inspect(id);
  const failedToStart = new AbortController();
  const starting = service.hasFiles
    ? tools.engine.startWithFiles(composeCall(execution), service.name)
    : tools.engine.start(id);
  starting.catch((error: unknown) => failedToStart.abort(error));
  pending.push(starting);
  // Compose takes its time to end: what it started is watched meanwhile, and it is waited
  // for only when all parts stand.
  const signal = AbortSignal.any([tools.signal, failedToStart.signal]);
  await waitFor(service, stopped, limit, tools, signal);
}

function composeCall({ file, stack, settings }: Execution) {
  return { file, project: stack.project, secrets: Object.fromEntries(settings.secrets) };
}

async function removeLeftovers(
  stack: Stack,
  removed: readonly string[],
  engine: Engine,
): Promise<void> {
  for (const one of await engine.containers(stack.project)) {
    if (/^[0-9a-f]{12}_/.test(one.name) || removed.includes(one.service))
      await engine.remove(one.id);
  }
}

function waitSeconds(service: string, settings: Settings): number {
  const names = {
    postgres: "DATABASE_WAIT_SECONDS",
    migrate: "MIGRATION_WAIT_SECONDS",
    collector: "COLLECTOR_WAIT_SECONDS",
    server: "SERVER_WAIT_SECONDS",
  } as const;
  const name = names[service as keyof typeof names] ?? "COLLECTOR_WAIT_SECONDS";
  return Number(settings.get(name));
}
