import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Engine } from "../engine/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isCollector } from "../stack/isCollector.ts";
import { isTelemetry } from "../stack/isTelemetry.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { FailureKind } from "../verification/failureKind.ts";
import { composeCall } from "./composeCall.ts";
import { databaseOf } from "./databaseOf.ts";
import { drainCollector } from "./drainCollector.ts";
import type { Change } from "./planChanges.ts";
import { readyRoles } from "./readyRoles.ts";
import { readyTables } from "./readyTables.ts";
import { readyTls } from "./readyTls.ts";
import { reloadPart } from "./reloadPart.ts";
import { startPart } from "./startPart.ts";
import { stopAll } from "./stopAll.ts";
import { telemetryCounts } from "./telemetryCounts.ts";
import type { Tools } from "./tools.ts";

export interface Execution {
  readonly settings: Settings;
  readonly stack: Stack;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  readonly changes: readonly Change[];
  /** The Postgres image, for asking a database outside. */
  readonly postgres: string;
  /** Whether the migration step runs, or is only made as the release says. */
  readonly migrates?: boolean;
  /** Where telemetry counts for nothing, nobody waits for sinks that are away. */
  readonly incident?: boolean;
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
 * create, then start each part when those it waits for are ready.
 * @throws Problem STEP_FAILED at the first part that does not come up
 */
export async function execute(execution: Execution, tools: Tools): Promise<void> {
  const { stack, changes } = execution;
  const named = (...actions: Change["action"][]) =>
    changes.filter((one) => actions.includes(one.action)).map((one) => one.service);
  await drainCollectors(execution, tools);
  await stopAll(stack, named("recreate", "remove"), tools, "stop what is replaced");
  await removeLeftovers(stack, named("remove"), tools.engine);
  tools.signal.throwIfAborted();
  const create = named("create", "recreate");
  /** Calls of Compose whose work is seen to be done before they have ended. */
  const starting: Promise<void>[] = [];
  try {
    if (create.length > 0) {
      await tools.say.step(
        `create ${create.join(", ")}`,
        async () => {
          const old = (await tools.engine.containers(stack.project)).map((one) => one.id);
          const creating = tools.engine.create(composeCall(execution), create);
          starting.push(creating);
          return untilCreated(stack, create, old, creating, tools.engine);
        },
        undefined,
        { services: create },
      );
    }
    tools.signal.throwIfAborted();
    const ids = new Map(
      (await tools.engine.containers(stack.project)).map((one) => [one.service, one.id]),
    );
    for (const service of stack.services) {
      const change = changes.find((one) => one.service === service.name);
      if (change === undefined || change.action === "none") continue;
      if (service.name === stack.server.migrate && execution.migrates === false) continue;
      tools.signal.throwIfAborted();
      await orGoOn(execution, service.name, tools, async () => {
        if (service.name === "collector") await readyTables(execution.settings, tools);
        await tools.say.step(
          stepNames[service.name] ?? `${service.name} ready`,
          async () => {
            await startPart(execution, service, ids, starting, tools);
            if (service.name !== "postgres") return;
            const database = bundledOf(execution, ids, tools);
            await readyRoles(database);
            await readyTls(stack, database);
          },
          undefined,
          { service: service.name, image: service.image },
        );
      });
    }
    await Promise.all(starting);
    await reloadParts(execution, ids, tools);
  } finally {
    // Whatever went wrong: nobody may clean up while Compose still starts something.
    await Promise.allSettled(starting);
  }
}

function bundledOf(
  { settings, postgres }: Execution,
  ids: ReadonlyMap<string, string>,
  tools: Tools,
) {
  return databaseOf(settings, { container: ids.get("postgres"), image: postgres }, tools);
}

/** Where telemetry does not count, what fails with a part of it is told, and the rest goes on. */
async function orGoOn(
  { settings, incident = false }: Execution,
  service: string,
  tools: Tools,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    const counts = !isTelemetry(service) || telemetryCounts(settings, incident);
    if (counts || !(error instanceof Problem)) throw error;
    tools.say.note([`goes on without telemetry: ${error.message}`, ...error.details].join("\n  "));
  }
}

/** What a part reads where it lies was laid out anew, and the part itself has stayed. */
async function reloadParts(
  { stack, changes }: Execution,
  ids: ReadonlyMap<string, string>,
  tools: Tools,
): Promise<void> {
  const isTouched = (name: string) =>
    changes.some((one) => one.service === name && one.action !== "none");
  for (const { name, reload } of stack.services) {
    const id = ids.get(name);
    if (reload === undefined || id === undefined) continue;
    if (!isTouched(reload.after) || isTouched(name)) continue;
    if ((await tools.engine.inspect(id)).state !== "running") continue;
    await tools.say.step(`${name} reads its configuration anew`, () =>
      reloadPart(name, id, reload, stack, tools),
    );
  }
}

/** Another version of the collector takes over what the present one has in its queue. */
async function drainCollectors(execution: Execution, tools: Tools): Promise<void> {
  const { changes, settings, stack, incident = false } = execution;
  const replaced = changes.filter((one) => one.causes.includes("image changed"));
  const insists = telemetryCounts(settings, incident);
  const limit = insists ? Number(settings.get("COLLECTOR_WAIT_SECONDS")) : 5;
  for (const one of await tools.engine.containers(stack.project)) {
    const runs = isCollector(one.service) && one.state === "running";
    if (!runs || !replaced.some((change) => change.service === one.service)) continue;
    await orGoOn(execution, one.service, tools, () => drainCollector(one, limit, insists, tools));
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
