import { writePasswordFile } from "../database/passwordFile.ts";
import { withoutBlockers } from "../database/blockers.ts";
import { withMigrationLock } from "../database/migrationLock.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isCollector } from "../stack/isCollector.ts";
import type { StackService } from "../stack/readServices.ts";
import { composeCall } from "./composeCall.ts";
import { databaseOf } from "./databaseOf.ts";
import type { Execution } from "./execute.ts";
import { mendQueue } from "./mendQueue.ts";
import type { Tools } from "./tools.ts";
import { waitFor } from "./waitFor.ts";

/** A collector that cannot read its queue gets a second try without what it cannot read. */
export async function startPart(...given: Parameters<typeof startOnce>): Promise<void> {
  const [{ stack }, { name }, ids, , tools] = given;
  try {
    await startOnce(...given);
  } catch (error) {
    if (!isCollector(name) || !(await mendQueue(stack, name, ids.get(name)!, tools))) throw error;
    await startOnce(...given);
  }
}

async function startOnce(
  execution: Execution,
  service: StackService,
  ids: ReadonlyMap<string, string>,
  pending: Promise<void>[],
  tools: Tools,
): Promise<void> {
  const { settings, stack, postgres } = execution;
  const id = ids.get(service.name)!;
  const limit = waitSeconds(service, settings);
  const before = await tools.engine.inspect(id);
  if (service.name === stack.server.migrate) {
    const where = { container: ids.get("postgres"), image: postgres };
    // Once begun, a migration is seen through: some of Letta's commit in the middle.
    const server = databaseOf(settings, where, tools);
    await withMigrationLock(server.database(), async () => {
      await tools.engine.start(id);
      const containers = await tools.engine.containers(stack.project);
      const { addresses = [] } = containers.find((one) => one.id === id) ?? {};
      const unblocking = { server, addresses, mayEnd: execution.endsSessions === true };
      await withoutBlockers(unblocking, tools, () =>
        waitFor(service, before, limit, tools, undefined),
      );
    });
    return;
  }
  const password = settings.secrets.get("LETTA_PG_PASSWORD");
  if (service.name === "postgres" && before.state === "running" && password !== undefined) {
    // It may have been started under another one. Where it ends meanwhile, waitFor tells so.
    await writePasswordFile(tools.engine, id, password).catch(() => undefined);
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
  const isPatient = execution.failedBefore !== undefined && service.name === stack.server.service;
  await waitFor(service, stopped, limit, tools, signal, isPatient);
}

/** A part without a setting of its own has at least what its health check gives it: first starts take long. */
function waitSeconds({ name, startSeconds }: StackService, settings: Settings): number {
  const names = {
    postgres: "DATABASE_WAIT_SECONDS",
    migrate: "MIGRATION_WAIT_SECONDS",
    collector: "COLLECTOR_WAIT_SECONDS",
    server: "SERVER_WAIT_SECONDS",
  } as const;
  const own = names[name as keyof typeof names];
  if (own !== undefined) return Number(settings.get(own));
  return Math.max(startSeconds, Number(settings.get("COLLECTOR_WAIT_SECONDS")));
}
