import { setTimeout as sleep } from "node:timers/promises";
import type { ObservedContainer } from "../engine/engine.ts";
import { letIn } from "../ledger/letIn.ts";
import { newestGood } from "../ledger/releases.ts";
import type { Activation } from "./activate.ts";
import { chooseCutover, type Cutover } from "./chooseCutover.ts";
import { databaseServing } from "./databaseServing.ts";
import { execute, type Execution } from "./execute.ts";
import { findDoor, type Door } from "./findDoor.ts";
import { isLeftAlone } from "./isLeftAlone.ts";
import { lastSpans } from "./lastSpans.ts";
import { openDoor } from "./openDoor.ts";
import { otherHeads } from "./otherHeads.ts";
import { planChanges, type Change, type Migration } from "./planChanges.ts";
import { proveServer } from "./proveServer.ts";
import { replaceServer } from "./replaceServer.ts";
import { serversOf } from "./serversOf.ts";
import { stopAll } from "./stopAll.ts";
import type { Target } from "./target.ts";
import type { Tools } from "./tools.ts";

/**
 * A connection that came just before a reload is still the former configuration's, up to five
 * seconds without a request (Go's http.Server.Shutdown).
 */
const handOverMs = 5000;

export interface CutOverAsked {
  readonly activation: Activation;
  readonly observed: readonly ObservedContainer[];
  readonly changes: readonly Change[];
}

export interface CutOverDone {
  readonly cutover: Cutover;
  /** How long no server answered; null where it was not touched, or did not serve before. */
  readonly awaySeconds: number | null;
}

/**
 * Brings about what runs, with as little as can be for who makes a request meanwhile: the
 * proxy sends them to the new server once it is proven, or holds them until it is. Where the
 * present server goes on through a migration, they are held for that alone.
 * @throws Problem STEP_FAILED at the first part that does not come up; a hold goes on then, for
 *   the way back to end it
 */
export async function cutOver(asked: CutOverAsked, tools: Tools): Promise<CutOverDone> {
  const { activation, observed, changes } = asked;
  const { sheet, target, awayWork } = activation;
  const { service } = target.prepared.stack.server;
  const chosen = choose(asked);
  const isShut = chosen === "hold" || chosen === "overlap";
  const door = isShut ? await findDoor(target.settings, sheet.id, tools) : undefined;
  const isMeanwhile = chosen === "overlap" && awayWork !== undefined && door !== undefined;
  const holds = chosen === "hold" || isMeanwhile;
  if (door !== undefined) await reloadDoor(asked, holds, tools);
  const isTouched = changes.some((one) => one.service === service && one.action !== "none");
  const served = observed.some((one) => one.service === service && one.state === "running");
  const leaves = served && (isTouched || awayWork !== undefined);
  const left = tools.now();
  if (holds) await tools.say.step("hold requests at the proxy", async () => door?.hold());
  const stays = isMeanwhile && (await isLeftAlone(target, door, tools));
  const cutover = holds && !stays ? "hold" : chosen;
  if (cutover === "hold" && door !== undefined && leaves) await lastSpansOf(target, tools);
  const road = { activation, todo: await workAway(asked, stays, tools), tools };
  if (stays) await migrateMeanwhile(road, door);
  const wentOn = tools.now();
  if (door === undefined) await withoutDoor(road);
  else if (cutover === "hold") await behindDoor(road, door);
  else await besideOld(road, door, isTouched, stays);
  const until = cutover === "overlap" ? wentOn : tools.now();
  const seconds = cutover === "overlap" && !stays ? 0 : (until - left) / 1000;
  return { cutover, awaySeconds: leaves ? seconds : null };
}

function choose({ activation, observed, changes }: CutOverAsked): Cutover {
  const { sheet, target, directory, awayWork, beside = false } = activation;
  const { cutover } = chooseCutover({
    stack: target.prepared.stack,
    changes,
    observed,
    // A server that goes by another way than the one before it is not proven beside that.
    away: awayWork !== undefined || (sheet.way !== "none" && sheet.way !== null),
    beside,
    otherHeads: otherHeads(newestGood(directory), sheet.heads),
    wish: target.settings.get("CUTOVER"),
  });
  return cutover;
}

/** What is left to be done, and with what. */
interface Road {
  readonly activation: Activation;
  readonly todo: readonly Change[];
  readonly tools: Tools;
}

function bring({ activation, todo, tools }: Road, isMeant: (name: string) => boolean) {
  return execute(executionOf(activation, todo, isMeant), tools);
}

/** The proxy, and what lays out the configuration that it reads. */
function isDoor(name: string, { target }: Activation): boolean {
  const proxy = target.prepared.stack.services.find((one) => one.name === "proxy");
  return name === "proxy" || name === proxy?.reload?.after;
}

/** From here on somebody may have written what the copy of before lacks. */
function noteLetIn({ sheet, directory }: Activation): void {
  if (sheet.way === "migrate") letIn(directory, sheet.id);
}

/** Nobody can be held: whoever makes a request meets what there is. */
async function withoutDoor(road: Road): Promise<void> {
  const { activation, tools } = road;
  noteLetIn(activation);
  await bring(road, () => true);
  // In an incident an earlier run may have left requests waiting for a server that is there.
  if (activation.incident) await openDoor(activation.target.settings, tools);
}

/** Requests wait until the new server has proven itself. */
async function behindDoor(road: Road, door: Door): Promise<void> {
  const { activation, tools } = road;
  const { settings, prepared } = activation.target;
  await bring(road, (name) => !isDoor(name, activation));
  await tools.say.step("let requests go on", async () => {
    const [server] = await serversOf(prepared.stack, tools.engine);
    await proveServer(server!.id, settings, prepared.stack, tools);
    noteLetIn(activation);
    await door.open();
  });
  // A door that has to be replaced comes last: behind it there is somebody to answer again.
  await bring(road, (name) => isDoor(name, activation));
}

/** Requests wait for the migration, and then go to the server that was there before it. */
async function migrateMeanwhile(road: Road, door: Door): Promise<void> {
  const { activation, tools } = road;
  const { migrate } = activation.target.prepared.stack.server;
  await bring(road, (name) => name === migrate);
  await tools.say.step("let requests go on, to the old server", async () => {
    noteLetIn(activation);
    await door.open();
  });
}

/** The old server answers until the new one has proven itself. */
async function besideOld(
  road: Road,
  door: Door,
  isTouched: boolean,
  isMigrated: boolean,
): Promise<void> {
  const { activation, todo, tools } = road;
  const { server } = activation.target.prepared.stack;
  const isOther = (name: string) =>
    !isDoor(name, activation) &&
    name !== server.service &&
    !(isMigrated && name === server.migrate);
  await bring(road, isOther);
  const ofServer = executionOf(activation, todo, (name) => name === server.service);
  if (isTouched) await replaceServer(ofServer, door, tools);
  await bring(road, (name) => isDoor(name, activation));
}

/**
 * A proxy that stays reads its new configuration before anybody is held: doing so ends the
 * waiting of those it holds (Caddy 2.11).
 */
async function reloadDoor(
  { activation, changes }: CutOverAsked,
  holds: boolean,
  tools: Tools,
): Promise<void> {
  const own = changes.filter((one) => isDoor(one.service, activation));
  const isRead = own.some((one) => one.service !== "proxy" && one.action !== "none");
  const stays = own.some((one) => one.service === "proxy" && one.action === "none");
  if (!isRead || !stays) return;
  await bring({ activation, todo: own, tools }, () => true);
  if (holds) await sleep(handOverMs, undefined, { signal: tools.signal });
}

/** A server that nobody asks any more sends what it knows of those who did. */
async function lastSpansOf({ prepared: { stack } }: Target, tools: Tools): Promise<void> {
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  await tools.say.step("the old server sends its last spans", () => lastSpans(server, tools));
}

/** What the migration step of a release has to do. */
export function migrationOf({ sheet, migrated = false }: Activation): Migration {
  if (sheet.way !== "migrate") return "idle";
  return migrated ? "done" : "due";
}

/**
 * What no server may be on the database for: with the server stopped, or with nobody asking it.
 * @returns what is to be done to each part after it
 */
async function workAway(
  { activation }: CutOverAsked,
  stays: boolean,
  tools: Tools,
): Promise<Change[]> {
  const { target, awayWork } = activation;
  const { stack } = target.prepared;
  const { service } = stack.server;
  const stops = awayWork !== undefined && !stays;
  if (stops) await stopAll(stack, [service], tools, "stop");
  if (awayWork !== undefined) await awayWork(await databaseServing(target, tools), tools);
  const now = await tools.engine.containers(stack.project);
  const migration = migrationOf(activation);
  return planChanges(stack, now, target.images.idByReference, migration).map((one) =>
    // The server that was stopped for it may be one that stays; the engine's list still says
    // for a moment that it runs.
    one.service === service && one.action === "none" && stops
      ? { ...one, action: "start" as const, causes: ["stopped meanwhile"] }
      : one,
  );
}

function executionOf(
  { sheet, target, file, incident }: Activation,
  changes: readonly Change[],
  isMeant: (name: string) => boolean,
): Execution {
  return {
    settings: target.settings,
    stack: target.prepared.stack,
    file,
    changes: changes.filter((one) => isMeant(one.service)),
    postgres: target.images.bySetting.get("POSTGRES_IMAGE")!,
    migrates: sheet.way === "migrate",
    incident,
  };
}
