import { recordTookWrites } from "../state/tookWrites.ts";
import { updateServices, type ServiceUpdate } from "./updateServices.ts";
import type { Change } from "./planChanges.ts";
import { serversOf } from "./serversOf.ts";
import type { Context } from "../state/context.ts";
import type { ProxyControl, Pause } from "./proxyControl.ts";
import type { NextRelease } from "./nextRelease.ts";
import { resumeRequests } from "./resumeRequests.ts";
import { assertWorksUnderLoad } from "./assertWorksUnderLoad.ts";
import { replaceServer } from "./replaceServer.ts";

/** What is left to be done, and with what. */
export interface Replacement {
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
  // In an incident an earlier run may have left requests waiting for a server that is there.
  if (next.fast) await resumeRequests(next.target.settings, context);
}

/** Requests wait until the new server is verified. */
export async function replaceUnderPause(
  replacement: Replacement,
  proxyControl: ProxyControl,
): Promise<void> {
  const { next, context } = replacement;
  const { settings, prepared } = next.target;
  await updateMatching(replacement, (name) => !isProxyService(name, next));
  await context.reporter.step("let requests go on", async () => {
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
  await context.reporter.step("let requests go on, to the old server", () => proxyControl.open());
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
  const isOther = (name: string) =>
    !isProxyService(name, next) &&
    name !== server.service &&
    !(isMigrated && name === server.migrate);
  await updateMatching(replacement, isOther);
  const ofServer = executionOf(next, todo, (name) => name === server.service);
  if (isTouched) await replaceServer(ofServer, proxyControl, context);
  await updateMatching(replacement, (name) => isProxyService(name, next));
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
