import { setTimeout as sleep } from "node:timers/promises";
import { durationMs } from "../common/durationMs.ts";
import type { FailureKind } from "../common/failureKind.ts";
import { Problem } from "../common/problem.ts";
import { countTables } from "../database/countTables.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { takeOverRoles } from "../database/takeOverRoles.ts";
import type { Engine } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isCollector } from "../stack/isCollector.ts";
import { isTelemetry } from "../stack/isTelemetry.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import { composeCall } from "./composeCall.ts";
import { databaseOf } from "./databaseOf.ts";
import { drainCollector } from "./drainCollector.ts";
import { ensureTables } from "./ensureTables.ts";
import type { Change } from "./planChanges.ts";
import { readyTls } from "./readyTls.ts";
import { reloadService } from "./reloadService.ts";
import { startService } from "./startService.ts";
import { stopAll } from "./stopAll.ts";
import { telemetryCounts } from "./telemetryCounts.ts";

export interface ServiceUpdate {
  readonly settings: Settings;
  readonly stack: Stack;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  readonly changes: readonly Change[];
  /** The Postgres image, for asking a database outside. */
  readonly postgres: string;
  /** Whether the migration step runs, or is only made as the release says. */
  readonly migrates?: boolean;
  /** Where telemetry counts for nothing, a run does not wait for sinks that are down. */
  readonly fast?: boolean;
  /** Whether sessions of others that block a migration may be ended. */
  readonly endsSessions?: boolean;
  /** How the server failed already: where it did, it is waited for to the limit. */
  readonly failedBefore?: readonly FailureKind[];
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
 * create, then start each service when those it waits for are ready.
 * @throws Problem STEP_FAILED at the first part that does not come up
 */
export async function updateServices(execution: ServiceUpdate, context: Context): Promise<void> {
  const { stack, changes } = execution;
  const named = (...actions: Change["action"][]) =>
    changes.filter((one) => actions.includes(one.action)).map((one) => one.service);
  await drainCollectors(execution, context);
  await stopAll(stack, named("recreate", "remove"), context, "stop what is replaced");
  await removeLeftovers(stack, named("remove"), context.engine);
  context.signal.throwIfAborted();
  const create = named("create", "recreate");
  /** Calls of Compose whose work is seen to be done before they have ended. */
  const starting: Promise<void>[] = [];
  try {
    if (create.length > 0) {
      await context.reporter.step(
        `create ${create.join(", ")}`,
        async () => {
          const old = (await context.engine.containers(stack.project)).map((one) => one.id);
          const creating = context.engine.create(composeCall(execution), create);
          starting.push(creating);
          return untilCreated(stack, create, old, creating, context.engine);
        },
        undefined,
        { services: create },
      );
    }
    context.signal.throwIfAborted();
    const ids = new Map(
      (await context.engine.containers(stack.project)).map((one) => [one.service, one.id]),
    );
    for (const service of stack.services) {
      const change = changes.find((one) => one.service === service.name);
      if (change === undefined || change.action === "none") continue;
      if (service.name === stack.server.migrate && execution.migrates === false) continue;
      context.signal.throwIfAborted();
      await orGoOn(execution, service.name, context, async () => {
        if (service.name === "collector") await ensureTables(execution.settings, context);
        await context.reporter.step(
          stepNames[service.name] ?? `${service.name} ready`,
          async () => {
            await startService(execution, service, ids, starting, context);
            if (service.name !== "postgres") return;
            const database = bundledOf(execution, ids, context);
            await ensureRoles(database);
            await readyTls(stack, database);
          },
          undefined,
          { service: service.name, image: service.image },
        );
      });
    }
    await Promise.all(starting);
    await reloadServices(execution, ids, context);
  } finally {
    // After any failure: no clean-up while Compose still starts something.
    await Promise.allSettled(starting);
  }
}

function bundledOf(
  { settings, postgres }: ServiceUpdate,
  ids: ReadonlyMap<string, string>,
  context: Context,
) {
  return databaseOf(settings, { container: ids.get("postgres"), image: postgres }, context);
}

/** Where telemetry does not count, a failure of one of its services is reported, and the rest goes on. */
async function orGoOn(
  { settings, fast = false }: ServiceUpdate,
  service: string,
  context: Context,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const counts = !isTelemetry(service) || telemetryCounts(settings, fast);
    if (counts || !(error instanceof Problem)) throw error;
    context.reporter.note(
      [`goes on without telemetry: ${error.message}`, ...error.details].join("\n  "),
    );
  }
}

/** What a service reads where it lies was laid out anew, and the service itself has stayed. */
async function reloadServices(
  { stack, changes }: ServiceUpdate,
  ids: ReadonlyMap<string, string>,
  context: Context,
): Promise<void> {
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  for (const { name, reload } of stack.services) {
    const id = ids.get(name);
    if (reload === undefined || id === undefined) continue;
    if (!isTouched(reload.after) || isTouched(name)) continue;
    if ((await context.engine.inspect(id)).state !== "running") continue;
    await context.reporter.step(`${name} reads its configuration anew`, () =>
      reloadService(name, id, reload, stack, context),
    );
  }
}

/** Another version of the collector takes over what the present one has in its queue. */
async function drainCollectors(execution: ServiceUpdate, context: Context): Promise<void> {
  const { changes, settings, stack, fast = false } = execution;
  const replaced = changes.filter((one) => one.causes.includes("image changed"));
  const insists = telemetryCounts(settings, fast);
  const limit = insists ? durationMs(settings.get("COLLECTOR_TIMEOUT")) / 1000 : 5;
  for (const one of await context.engine.containers(stack.project)) {
    const runs = isCollector(one.service) && one.state === "running";
    if (!runs || !replaced.some((change) => change.service === one.service)) continue;
    await orGoOn(execution, one.service, context, () =>
      drainCollector(one, limit, insists, context),
    );
  }
}

const createPollMs = 50;

/** Compose renames a container it made anew only when the old one has gone. */
const leftover = /^[0-9a-f]{12}_/;

/**
 * Waits until Compose has ended, or all it was to create is there under its own name: the
 * package tells the end half a second late.
 */
async function untilCreated(
  stack: Stack,
  services: readonly string[],
  old: readonly string[],
  creating: Promise<void>,
  engine: Engine,
): Promise<void> {
  let ended = false;
  const end = creating.finally(() => (ended = true));
  const there = async () => {
    while (!ended) {
      const found = await engine.containers(stack.project);
      const isThere = (name: string) =>
        found.some(
          (one) => one.service === name && !leftover.test(one.name) && !old.includes(one.id),
        );
      if (found.length >= stack.services.length && services.every(isThere)) return;
      await sleep(createPollMs);
    }
    await end;
  };
  await Promise.race([end, there()]);
}

async function removeLeftovers(
  stack: Stack,
  removed: readonly string[],
  engine: Engine,
): Promise<void> {
  for (const one of await engine.containers(stack.project)) {
    if (leftover.test(one.name) || removed.includes(one.service)) await engine.remove(one.id);
  }
}

/**
 * Separates the roles of a bundled database that nothing has used yet. One with data keeps its roles
 * until a deploy that says so, and has tried it on a copy.
 * @throws Problem DATABASE_REFUSED
 */
async function ensureRoles(server: DatabaseServer): Promise<void> {
  if ((await server.roles()).kind !== "superuser") return;
  const tables = await countTables(server.database());
  if (Object.keys(tables).length === 0) await takeOverRoles(server);
}
