import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Context } from "../state/context.ts";
import { newestGood } from "../state/releases.ts";
import { assertPauseCovers, flushSpans, pauseFor } from "./pauseFor.ts";
import { chooseStrategy, type DeployStrategy } from "./chooseStrategy.ts";
import { databaseServing } from "./databaseOf.ts";
import { isQuiesced, waitForInFlight } from "./isQuiesced.ts";
import type { NextRelease } from "./nextRelease.ts";
import { otherHeads } from "./imageHistory.ts";
import { planChanges, type Change, type Migration } from "./planChanges.ts";
import { findProxyControl, type Pause, type ProxyControl } from "./proxyControl.ts";
import {
  isProxyService,
  migrateUnderPause,
  recordFirstWrites,
  replaceSideBySide,
  replaceUnderPause,
  replaceWithoutProxy,
  serversOf,
  updateMatching,
} from "./replaceServer.ts";
import { stopAll } from "./updateServices.ts";
import type { Target } from "./target.ts";

/** So few requests delay no one for long. */
const few = 8;
const pollMs = 250;
/** What has not become less for so long is what there always is, such as streams. */
const fallsMs = 15_000;
const mostMs = 120_000;

/**
 * Waits while a server works through its backlog, as it does during a rehearsal on few
 * cores: held before that, those behind the pile would wait for it and for the pause.
 */
export async function waitForBacklog(
  proxyControl: Pick<ProxyControl, "underWay">,
  { now, signal }: Pick<Context, "now" | "signal">,
): Promise<void> {
  const until = now() + mostMs;
  let [least, fell] = [Infinity, now()];
  for (;;) {
    const left = await proxyControl.underWay();
    if (left === undefined || left <= few || now() >= until) return;
    if (left < least) [least, fell] = [left, now()];
    else if (now() - fell >= fallsMs) return;
    await sleep(pollMs, undefined, { signal });
  }
}

/**
 * A connection that came just before a reload is still the previous configuration's, up to five
 * seconds without a request (Go's http.Server.Shutdown).
 */
const handOverMs = 5000;

export interface StrategyRun {
  readonly next: NextRelease;
  readonly observed: readonly ObservedContainer[];
  readonly changes: readonly Change[];
}

export interface StrategyResult {
  readonly strategy: DeployStrategy;
  /** How long no server answered; null where it was not touched, or did not serve before. */
  readonly downtimeSeconds: number | null;
}

/**
 * Brings about what runs, with as little as can be for who makes a request meanwhile: the
 * proxy sends them to the new server once it is verified, or pauses them until it is. Where the
 * present server goes on through a migration, they are held for that alone.
 * @throws Problem STEP_FAILED at the first part that does not come up; a pause goes on then, for
 *   the rollback to end it
 */
export async function runStrategy(input: StrategyRun, context: Context): Promise<StrategyResult> {
  const { next, observed, changes } = input;
  const { target, offlineTask } = next;
  const { service } = target.prepared.stack.server;
  const chosen = choose(input);
  const isShut = chosen === "pause" || chosen === "blue-green";
  const proxyControl = isShut ? await findProxyControl(target.settings, context) : undefined;
  const isMeanwhile =
    chosen === "blue-green" && offlineTask !== undefined && proxyControl !== undefined;
  const holds = chosen === "pause" || isMeanwhile;
  const isTouched = changes.some((one) => one.service === service && one.action !== "none");
  const served = observed.some((one) => one.service === service && one.state === "running");
  // With no server running, start it first and report the proxy's error afterwards.
  const mayRefuse = next.fast && !served;
  const refusal = proxyControl && (await reloadProxy(input, holds, mayRefuse, context));
  const leaves = served && (isTouched || offlineTask !== undefined);
  if (holds && proxyControl !== undefined && leaves && !next.fast)
    await context.reporter.step("wait for backlog", () => waitForBacklog(proxyControl, context));
  const left = context.now();
  const pause = holds ? await pauseRequests(input, proxyControl, context) : undefined;
  const stays = isMeanwhile && (await isQuiesced(target, proxyControl, context));
  const strategy = holds && !stays ? "pause" : chosen;
  if (strategy === "pause" && proxyControl !== undefined && leaves)
    await drainAndStop(target, proxyControl, context);
  // After a power cut, or where a pause has ended by itself, no pause covers the running server.
  if (stays) recordFirstWrites(next);
  const replacement = { next, todo: await runOffline(input, stays, pause, context), context };
  if (stays) await migrateUnderPause(replacement, proxyControl, pause);
  const wentOn = context.now();
  if (proxyControl === undefined) await replaceWithoutProxy(replacement);
  else if (strategy === "pause") await replaceUnderPause(replacement, proxyControl);
  else await replaceSideBySide(replacement, proxyControl, isTouched, stays);
  if (refusal !== undefined) throw refusal;
  const until = strategy === "blue-green" ? wentOn : context.now();
  const seconds = strategy === "blue-green" && !stays ? 0 : (until - left) / 1000;
  return { strategy, downtimeSeconds: leaves ? seconds : null };
}

function choose({ next, observed, changes }: StrategyRun): DeployStrategy {
  const { manifest, target, directory, offlineTask, sideBySide = false } = next;
  const { service } = target.prepared.stack.server;
  const present = newestGood(directory);
  // A rollback that failed may have left another server than the one that was rehearsed.
  const rehearsed = present?.services[service]?.imageId;
  const isRehearsed = observed.every((one) => one.service !== service || one.imageId === rehearsed);
  const { strategy } = chooseStrategy({
    stack: target.prepared.stack,
    changes,
    observed,
    // A server with another database strategy than the one before it is not verified side by side with it.
    isOffline:
      offlineTask !== undefined ||
      (manifest.databaseStrategy !== "none" && manifest.databaseStrategy !== null),
    sideBySide: sideBySide && isRehearsed,
    otherHeads: otherHeads(present, manifest.heads),
    configured: target.settings.get("DEPLOY_STRATEGY"),
  });
  return strategy;
}

/**
 * A proxy that stays reads its new configuration before anybody is held: doing so ends the
 * waiting of those it holds (Caddy 2.11).
 * @param mayRefuse whether one that does not take it is to keep no server away
 * @returns its refusal, for when a server is there
 */
async function reloadProxy(
  { next, changes }: StrategyRun,
  holds: boolean,
  mayRefuse: boolean,
  context: Context,
): Promise<Problem | undefined> {
  const own = changes.filter((one) => isProxyService(one.service, next));
  const isRead = own.some((one) => one.service !== "proxy" && one.action !== "none");
  const stays = own.some((one) => one.service === "proxy" && one.action === "none");
  if (!isRead || !stays) return undefined;
  try {
    await updateMatching({ next, todo: own, context }, () => true);
  } catch (error) {
    if (!mayRefuse || !(error instanceof Problem) || error.code !== "STEP_FAILED") throw error;
    context.reporter.note(`${error.message}: starting the server first`);
    return error;
  }
  if (holds) await sleep(handOverMs, undefined, { signal: context.signal });
  return undefined;
}

function pauseRequests(
  { next }: StrategyRun,
  proxyControl: ProxyControl | undefined,
  context: Context,
) {
  const { manifest, directory, target, pauseSeconds: seconds } = next;
  const { project, server } = target.prepared.stack;
  return context.reporter.step("pause requests", async () => {
    const observed = await context.engine.containers(project);
    return pauseFor({ manifest, directory, server, observed, seconds }, proxyControl);
  });
}

/** What the migration step of a release has to do. */
export function migrationOf({ manifest, migrated = false }: NextRelease): Migration {
  if (manifest.databaseStrategy !== "migrate") return "idle";
  return migrated ? "done" : "due";
}

/**
 * Work for which no server may use the database: the server is stopped, or has no requests.
 * @returns what is to be done to each service after it
 */
async function runOffline(
  { next }: StrategyRun,
  stays: boolean,
  pause: Pause | undefined,
  context: Context,
): Promise<Change[]> {
  const { target, offlineTask, migrateSeconds } = next;
  const assertPause = async () => {
    if (pause !== undefined && migrateSeconds !== undefined)
      await assertPauseCovers(pause, migrateSeconds);
  };
  const { stack } = target.prepared;
  const { service } = stack.server;
  const stops = offlineTask !== undefined && !stays;
  if (stops) await stopAll(stack, [service], context, "stop");
  await assertPause();
  if (offlineTask !== undefined)
    await offlineTask(await databaseServing(target, context), context, stays);
  await assertPause();
  const now = await context.engine.containers(stack.project);
  const migration = migrationOf(next);
  return planChanges(stack, now, target.images.idByReference, migration).map((one) =>
    // The server that was stopped for it may be one that stays; the engine's list still says
    // for a moment that it runs.
    one.service === service && one.action === "none" && stops
      ? { ...one, action: "start" as const, causes: ["stopped meanwhile"] }
      : one,
  );
}

/**
 * Stops a server that requests are paused from when it has answered what it was asked and sent the
 * spans of that. It has its time to stop for the answers, and a moment more for the spans; a stream
 * that goes on is cut then, as by any stop.
 */
async function drainAndStop(
  { prepared: { stack } }: Target,
  proxyControl: ProxyControl,
  context: Context,
): Promise<void> {
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  await context.reporter.step("drain and stop old server", async () => {
    const until = context.now() + server.graceSeconds * 1000;
    await waitForInFlight(proxyControl, until, context);
    await flushSpans(server, context);
    const left = Math.max(1, Math.ceil((until - context.now()) / 1000));
    for (const { id } of await serversOf(stack, context.engine))
      await context.engine.stop(id, left);
  });
}
