import { setTimeout as sleep } from "node:timers/promises";
import type { FailureKind } from "../common/failureKind.ts";
import { Problem } from "../common/problem.ts";
import { durationMs } from "../common/units.ts";
import { withMigrationLock, withoutBlockers } from "../database/blockers.ts";
import { countTables } from "../database/countTables.ts";
import { writePasswordFile } from "../database/login.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { takeOverRoles } from "../database/takeOverRoles.ts";
import type { ComposeCall, Engine, ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { secretValues } from "../stack/proxyCertificate.ts";
import { isCollector, isTelemetry, type StackService } from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import {
  drainCollector,
  ensureTables,
  quarantineQueue,
  reloadService,
  telemetryCounts,
} from "./collectorUpdate.ts";
import { databaseOf, readyTls } from "./databaseOf.ts";
import type { Change } from "./planChanges.ts";
import { waitFor } from "./waitFor.ts";

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
  redis: "redis healthy",
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
  await stopAll(stack, named("recreate", "remove"), context, "stop services to replace");
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
      [`continuing without telemetry: ${error.message}`, ...error.details].join("\n  "),
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
    await context.reporter.step(`reload ${name} configuration`, () =>
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

/** A collector that cannot read its queue gets a second try without what it cannot read. */
async function startService(...given: Parameters<typeof startOnce>): Promise<void> {
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

/** Parts the tool does not know the grace of: gone from the stack, or made by another version. */
const unknownGraceSeconds = 30;

/**
 * Stops parts of a stack, the last started first: the server drains, the collector flushes,
 * the database closes last, each within its own grace period.
 * @param services which ones; those that do not run are passed over
 */
export async function stopAll(
  stack: Pick<Stack, "project" | "services">,
  services: readonly string[],
  context: Context,
  name: string,
): Promise<void> {
  const observed = await context.engine.containers(stack.project);
  const running = observed.filter(
    (one) =>
      services.includes(one.service) && ["running", "restarting", "paused"].includes(one.state),
  );
  if (running.length === 0) return;
  const isWaitedFor = (service: string) => observed.some((one) => dependsOn(one).includes(service));
  const position = (service: string) => {
    const found = stack.services.findIndex((one) => one.name === service);
    if (found >= 0) return found;
    // No longer part of the stack: first to go, unless one that still runs was made to use it.
    return isWaitedFor(service) ? -1 : stack.services.length;
  };
  const lastFirst = running.sort((a, b) => position(b.service) - position(a.service));
  await context.reporter.step(
    `${name}: ${lastFirst.map((one) => one.service).join(", ")}`,
    async (report) => {
      for (const container of lastFirst) {
        report(container.service);
        const known = stack.services.find((one) => one.name === container.service);
        await context.engine.stop(container.id, known?.graceSeconds ?? unknownGraceSeconds);
      }
    },
  );
}

/** What a container was made to wait for, as Compose writes it down: "redis:service_healthy:false,…". */
function dependsOn({ labels }: ObservedContainer): string[] {
  const written = labels["com.docker.compose.depends_on"] ?? "";
  return written.split(",").map((one) => one.split(":")[0]!);
}

/** What every call of Compose for a stack gets. */
export function composeCall({ file, stack, settings }: ServiceUpdate): ComposeCall {
  return { file, project: stack.project, secrets: Object.fromEntries(secretValues(settings)) };
}
