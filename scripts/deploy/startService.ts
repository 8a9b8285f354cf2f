import { durationMs } from "../common/durationMs.ts";
import { writePasswordFile } from "../database/passwordFile.ts";
import { withoutBlockers } from "../database/blockers.ts";
import { withMigrationLock } from "../database/migrationLock.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isCollector } from "../stack/isCollector.ts";
import type { StackService } from "../stack/readServices.ts";
import { composeCall } from "./composeCall.ts";
import { databaseOf } from "./databaseOf.ts";
import type { ServiceUpdate } from "./updateServices.ts";
import { quarantineQueue } from "./quarantineQueue.ts";
import type { Context } from "../state/context.ts";
import { waitFor } from "./waitFor.ts";

/** A collector that cannot read its queue gets a second try without what it cannot read. */
export async function startService(...given: Parameters<typeof startOnce>): Promise<void> {
  const [{ stack }, { name }, ids, , context] = given;
  try {
    await startOnce(...given);
  } catch (error) {
    if (!isCollector(name) || !(await quarantineQueue(stack, name, ids.get(name)!, context)))
      throw error;
    await startOnce(...given);
  }
}

async function startOnce(
  execution: ServiceUpdate,
  service: StackService,
  ids: ReadonlyMap<string, string>,
  pending: Promise<void>[],
  context: Context,
): Promise<void> {
  const { settings, stack, postgres } = execution;
  const id = ids.get(service.name)!;
  const limit = waitSeconds(service, settings);
  const before = await context.engine.inspect(id);
  if (service.name === stack.server.migrate) {
    const where = { container: ids.get("postgres"), image: postgres };
    // Once begun, a migration is seen through: some of Letta's commit in the middle.
    const server = databaseOf(settings, where, context);
    await withMigrationLock(server.database(), async () => {
      await context.engine.start(id);
      const containers = await context.engine.containers(stack.project);
      const { addresses = [] } = containers.find((one) => one.id === id) ?? {};
      const unblocking = { server, addresses, mayEnd: execution.endsSessions === true };
      await withoutBlockers(unblocking, context, () =>
        waitFor(service, before, limit, context, undefined),
      );
    });
    return;
  }
  const password = settings.secrets.get("LETTA_PG_PASSWORD");
  if (service.name === "postgres" && before.state === "running" && password !== undefined) {
    // It may have been started under another one. Where it ends meanwhile, waitFor tells so.
    await writePasswordFile(context.engine, id, password).catch(() => undefined);
  }
  if (before.state === "running" && before.health === "unhealthy") {
    await context.engine.stop(id, service.graceSeconds);
  }
  const stopped = await context.engine.inspect(id);
  const failedToStart = new AbortController();
  const starting = service.hasFiles
    ? context.engine.startWithFiles(composeCall(execution), service.name)
    : context.engine.start(id);
  starting.catch((error: unknown) => failedToStart.abort(error));
  pending.push(starting);
  // Compose takes its time to end: what it started is watched meanwhile, and it is waited
  // for only when all services stand.
  const signal = AbortSignal.any([context.signal, failedToStart.signal]);
  const isPatient = execution.failedBefore !== undefined && service.name === stack.server.service;
  await waitFor(service, stopped, limit, context, signal, isPatient);
}

/** A part without a setting of its own has at least what its health check gives it: first starts take long. */
function waitSeconds({ name, startSeconds }: StackService, settings: Settings): number {
  const names = {
    postgres: "DATABASE_TIMEOUT",
    migrate: "MIGRATION_TIMEOUT",
    collector: "COLLECTOR_TIMEOUT",
    server: "SERVER_TIMEOUT",
  } as const;
  const own = names[name as keyof typeof names];
  if (own !== undefined) return durationMs(settings.get(own)) / 1000;
  return Math.max(startSeconds, durationMs(settings.get("COLLECTOR_TIMEOUT")) / 1000);
}
