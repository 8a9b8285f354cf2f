import { durationMs } from "../common/units.ts";
import type { EndSignal, Engine, ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isCollector } from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import { recordTookWrites } from "../state/markers.ts";
import { assertWorksUnderLoad } from "./assertServerWorks.ts";
import type { NextRelease } from "./nextRelease.ts";
import { noLongerPart, type Change } from "./planChanges.ts";
import { findProxyControl, type Pause, type ProxyControl } from "./proxyControl.ts";
import { composeCall, type ServiceUpdate, updateServices } from "./updateServices.ts";
import { waitFor } from "./waitFor.ts";

/** What is left to be done, and with what. */
interface Replacement {
  readonly next: NextRelease;
  readonly todo: readonly Change[];
  readonly context: Context;
}

/** Brings about what is meant of it. */
export function updateMatching(
  { next, todo, context }: Replacement,
  isMeant: (name: string) => boolean,
) {
  return updateServices(executionOf(next, todo, isMeant), context);
}

/** The proxy, and what lays out the configuration that it reads. */
export function isProxyService(name: string, { target }: NextRelease): boolean {
  const proxy = target.prepared.stack.services.find((one) => one.name === "proxy");
  return name === "proxy" || name === proxy?.reload?.after;
}

/** From here on clients may have written rows that the snapshot lacks. */
export function recordFirstWrites({ manifest, directory }: NextRelease): void {
  if (manifest.databaseStrategy === "migrate") recordTookWrites(directory, manifest.id);
}

/** Without a proxy requests cannot be paused: they meet whatever runs. */
export async function replaceWithoutProxy(replacement: Replacement): Promise<void> {
  const { next, context } = replacement;
  recordFirstWrites(next);
  await updateMatching(replacement, () => true);
  // An earlier run may have left requests waiting, at a proxy that did not run yet when this one began.
  await resumeRequests(next.target.settings, context);
}

/** Requests wait until the new server is verified. */
export async function replaceUnderPause(
  replacement: Replacement,
  proxyControl: ProxyControl,
): Promise<void> {
  const { next, context } = replacement;
  const { settings, prepared } = next.target;
  await updateMatching(replacement, (name) => !isProxyService(name, next));
  await context.reporter.step("resume requests", async () => {
    const [server] = await serversOf(prepared.stack, context.engine);
    // Under a pause there is no load: only in an incident what fails as before is better than nothing.
    await assertWorksUnderLoad(server!.id, settings, prepared.stack, context, {
      before: next.manifest.before,
      isExcused: next.fast,
    });
    recordFirstWrites(next);
    await proxyControl.open();
  });
  // A proxy that has to be replaced comes last: the server behind it answers again.
  await updateMatching(replacement, (name) => isProxyService(name, next));
}

/** Requests wait for the migration, and then go to the server that was there before it. */
export async function migrateUnderPause(
  replacement: Replacement,
  proxyControl: ProxyControl,
  pause: Pause | undefined,
): Promise<void> {
  const { next, context } = replacement;
  const { migrate } = next.target.prepared.stack.server;
  await updateMatching(replacement, (name) => name === migrate);
  if (pause !== undefined && (await pause.remaining()) === 0)
    context.reporter.note("the pause ended during the migration: requests reached the old server");
  await context.reporter.step("resume requests to old server", () => proxyControl.open());
}

/** The old server answers until the new one has verified itself. */
export async function replaceSideBySide(
  replacement: Replacement,
  proxyControl: ProxyControl,
  isTouched: boolean,
  isMigrated: boolean,
): Promise<void> {
  const { next, todo, context } = replacement;
  const { server } = next.target.prepared.stack;
  // The old server may use what is not in this release any more, such as Redis.
  const isLeaving = (name: string) =>
    todo.some(({ service, causes }) => service === name && causes.includes(noLongerPart));
  const isOther = (name: string) =>
    !isProxyService(name, next) &&
    !isLeaving(name) &&
    name !== server.service &&
    !(isMigrated && name === server.migrate);
  await updateMatching(replacement, isOther);
  const ofServer = executionOf(next, todo, (name) => name === server.service);
  if (isTouched) await replaceServer(ofServer, proxyControl, context);
  await updateMatching(replacement, (name) => isProxyService(name, next) || isLeaving(name));
}

function executionOf(
  { manifest, target, file, fast, endsSessions = false }: NextRelease,
  changes: readonly Change[],
  isMeant: (name: string) => boolean,
): ServiceUpdate {
  return {
    settings: target.settings,
    stack: target.prepared.stack,
    file,
    changes: changes.filter((one) => isMeant(one.service)),
    postgres: target.images.bySetting.get("POSTGRES_IMAGE")!,
    migrates: manifest.databaseStrategy === "migrate",
    fast,
    endsSessions,
    ...(manifest.before === undefined ? {} : { failedBefore: manifest.before }),
  };
}

/**
 * Starts the new server next to the old one, sends it requests when it is verified, and
 * takes the old one away when it has answered what it was asked. Where the new one fails, the
 * old one has served all the time; both stay for the rollback (`removeExtraReplica`).
 * @throws Problem STEP_FAILED
 */
async function replaceServer(
  execution: ServiceUpdate,
  proxyControl: ProxyControl,
  context: Context,
): Promise<void> {
  const { settings, stack, failedBefore } = execution;
  const { service: name } = stack.server;
  const service = stack.services.find((one) => one.name === name)!;
  const before = await serversOf(stack, context.engine);
  const id = await context.reporter.step(
    "start new server",
    async () => {
      await context.engine.scaleUp(composeCall(execution), name);
      const now = await serversOf(stack, context.engine);
      const made = await context.engine.inspect(now.at(-1)!.id);
      await context.engine.start(made.id);
      const limit = durationMs(settings.get("SERVER_TIMEOUT")) / 1000;
      await waitFor(service, made, limit, context, context.signal, failedBefore !== undefined);
      // Both are under the same load.
      await assertWorksUnderLoad(made.id, settings, stack, context, {
        before: failedBefore,
        isExcused: true,
      });
      return made.id;
    },
    undefined,
    { service: name, image: service.image },
  );
  context.signal.throwIfAborted();
  await context.reporter.step("switch requests to new server", () => proxyControl.sendTo(id));
  await context.reporter.step("drain and stop old server", async () => {
    const signal = stopSignal(await context.engine.containers(stack.project));
    for (const old of before) {
      await context.engine.stop(old.id, service.graceSeconds, signal);
      await context.engine.remove(old.id);
    }
    await proxyControl.open();
  });
}

/**
 * The signal that stops a server without requests. Pure. By SIGINT it ends as a program does that has
 * done its work, and sends the spans it has gathered, in some three seconds more (4.5 to 5.8 s); by SIGTERM
 * uvicorn raises the signal once more after stopping (uvicorn/server.py, capture_signals), and they are lost with
 * it. Where no collector takes them it would try until it is killed (Letta 0.15.1 and 0.16.8, measured). Of either
 * two seconds are the event loop watchdog's time-out (letta/monitoring/event_loop_watchdog.py, 0.16).
 * @param observed the stack's containers
 */
export function stopSignal(
  observed: readonly Pick<ObservedContainer, "service" | "state" | "health">[],
): EndSignal {
  const collectors = observed.filter((one) => isCollector(one.service));
  const takes = collectors.every((one) => one.state === "running" && one.health === "healthy");
  return takes && collectors.length > 0 ? "SIGINT" : "SIGTERM";
}

/**
 * Makes one server of two that a replacement left: the first that serves stays, and requests go to
 * it. The older one has been verified; the other has not, or not yet.
 * @param settings those the running proxy was made with, as to its project
 */
export async function removeExtraReplica(
  settings: Settings,
  stack: Pick<Stack, "project" | "server" | "services">,
  context: Context,
): Promise<void> {
  const servers = await serversOf(stack, context.engine);
  if (servers.length < 2) return;
  const stays =
    servers.find((one) => one.state === "running" && one.health === "healthy") ?? servers.at(-1)!;
  const grace = stack.services.find((one) => one.name === stack.server.service)?.graceSeconds;
  await context.reporter.step("remove extra replica", async () => {
    const proxyControl = await findProxyControl(settings, context);
    await proxyControl?.sendTo(stays.id);
    for (const other of servers.filter((one) => one !== stays)) {
      await context.engine.stop(other.id, grace ?? 30);
      await context.engine.remove(other.id);
    }
    await proxyControl?.open();
  });
}

/** The containers there are, with one server of two where a failed rollback has left two. */
export async function settledContainers(
  settings: Settings,
  stack: Pick<Stack, "project" | "server" | "services">,
  context: Context,
): Promise<readonly ObservedContainer[]> {
  const observed = await context.engine.containers(settings.project);
  const servers = observed.filter((one) => one.service === stack.server.service);
  if (servers.length < 2) return observed;
  await removeExtraReplica(settings, stack, context);
  return context.engine.containers(settings.project);
}

/** The containers of a stack's server, the first made first: two while one takes over. */
export async function serversOf(
  { project, server }: Pick<Stack, "project" | "server">,
  engine: Pick<Engine, "containers">,
): Promise<ObservedContainer[]> {
  const number = ({ name }: ObservedContainer) => Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
  return (await engine.containers(project))
    .filter((one) => one.service === server.service && !/^[0-9a-f]{12}_/.test(one.name))
    .sort((a, b) => number(a) - number(b));
}

/**
 * Ends a pause that a run began and did not end; without one it changes nothing.
 * @throws Problem STEP_FAILED where the proxy does not answer
 */
export async function resumeRequests(
  settings: Settings,
  context: Pick<Context, "engine" | "now" | "randomBytes">,
): Promise<void> {
  const proxyControl = await findProxyControl(settings, context);
  await proxyControl?.open();
}
