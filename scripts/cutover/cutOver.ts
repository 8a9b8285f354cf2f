import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import { newestGood } from "../ledger/releases.ts";
import { planChanges, type Change, type Migration } from "../parts/planChanges.ts";
import { stopAll } from "../parts/stopAll.ts";
import type { Tools } from "../parts/tools.ts";
import { caughtUp } from "./caughtUp.ts";
import { assertPauseCovers } from "./assertPauseCovers.ts";
import { chooseCutover, type Cutover } from "./chooseCutover.ts";
import { databaseServing } from "./databaseServing.ts";
import { findDoor, type Door, type Pause } from "./findDoor.ts";
import { isLeftAlone } from "./isLeftAlone.ts";
import type { NextRelease } from "./nextRelease.ts";
import { otherHeads } from "./otherHeads.ts";
import { pauseFor } from "./pauseFor.ts";
import {
  behindDoor,
  besideOld,
  bring,
  isDoor,
  migrateMeanwhile,
  noteLetIn,
  withoutDoor,
} from "./road.ts";
import { stopHeld } from "./stopHeld.ts";

/**
 * A connection that came just before a reload is still the former configuration's, up to five
 * seconds without a request (Go's http.Server.Shutdown).
 */
const handOverMs = 5000;

export interface CutOverAsked {
  readonly next: NextRelease;
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
  const { next, observed, changes } = asked;
  const { target, awayWork } = next;
  const { service } = target.prepared.stack.server;
  const chosen = choose(asked);
  const isShut = chosen === "hold" || chosen === "overlap";
  const door = isShut ? await findDoor(target.settings, tools) : undefined;
  const isMeanwhile = chosen === "overlap" && awayWork !== undefined && door !== undefined;
  const holds = chosen === "hold" || isMeanwhile;
  const isTouched = changes.some((one) => one.service === service && one.action !== "none");
  const served = observed.some((one) => one.service === service && one.state === "running");
  // Whoever goes back with nobody serving has a server first, and then what the proxy said.
  const mayRefuse = next.incident && !served;
  const refusal = door && (await reloadDoor(asked, holds, mayRefuse, tools));
  const leaves = served && (isTouched || awayWork !== undefined);
  if (holds && door !== undefined && leaves && !next.incident)
    await tools.say.step("the server works off what has piled up", () => caughtUp(door, tools));
  const left = tools.now();
  const pause = holds ? await pauseRequests(asked, door, tools) : undefined;
  const stays = isMeanwhile && (await isLeftAlone(target, door, tools));
  const cutover = holds && !stays ? "hold" : chosen;
  if (cutover === "hold" && door !== undefined && leaves) await stopHeld(target, door, tools);
  // After a power cut, or where a hold has ended by itself, nobody holds a server that runs.
  if (stays) noteLetIn(next);
  const road = { next, todo: await workAway(asked, stays, pause, tools), tools };
  if (stays) await migrateMeanwhile(road, door, pause);
  const wentOn = tools.now();
  if (door === undefined) await withoutDoor(road);
  else if (cutover === "hold") await behindDoor(road, door);
  else await besideOld(road, door, isTouched, stays);
  if (refusal !== undefined) throw refusal;
  const until = cutover === "overlap" ? wentOn : tools.now();
  const seconds = cutover === "overlap" && !stays ? 0 : (until - left) / 1000;
  return { cutover, awaySeconds: leaves ? seconds : null };
}

function choose({ next, observed, changes }: CutOverAsked): Cutover {
  const { sheet, target, directory, awayWork, beside = false } = next;
  const { service } = target.prepared.stack.server;
  const present = newestGood(directory);
  // A rollback that failed may have left another server than the one that was rehearsed.
  const rehearsed = present?.services[service]?.imageId;
  const isRehearsed = observed.every((one) => one.service !== service || one.imageId === rehearsed);
  const { cutover } = chooseCutover({
    stack: target.prepared.stack,
    changes,
    observed,
    // A server that goes by another way than the one before it is not proven beside that.
    away: awayWork !== undefined || (sheet.way !== "none" && sheet.way !== null),
    beside: beside && isRehearsed,
    otherHeads: otherHeads(present, sheet.heads),
    wish: target.settings.get("CUTOVER"),
  });
  return cutover;
}

/**
 * A proxy that stays reads its new configuration before anybody is held: doing so ends the
 * waiting of those it holds (Caddy 2.11).
 * @param mayRefuse whether one that does not take it is to keep no server away
 * @returns its refusal, for when a server is there
 */
async function reloadDoor(
  { next, changes }: CutOverAsked,
  holds: boolean,
  mayRefuse: boolean,
  tools: Tools,
): Promise<Problem | undefined> {
  const own = changes.filter((one) => isDoor(one.service, next));
  const isRead = own.some((one) => one.service !== "proxy" && one.action !== "none");
  const stays = own.some((one) => one.service === "proxy" && one.action === "none");
  if (!isRead || !stays) return undefined;
  try {
    await bring({ next, todo: own, tools }, () => true);
  } catch (error) {
    if (!mayRefuse || !(error instanceof Problem) || error.code !== "STEP_FAILED") throw error;
    tools.say.note(`${error.message}: the server comes first`);
    return error;
  }
  if (holds) await sleep(handOverMs, undefined, { signal: tools.signal });
  return undefined;
}

function pauseRequests({ next }: CutOverAsked, door: Door | undefined, tools: Tools) {
  const { sheet, directory, target, pauseSeconds: seconds } = next;
  const { project, server } = target.prepared.stack;
  return tools.say.step("pause requests at the proxy", async () => {
    const observed = await tools.engine.containers(project);
    return pauseFor({ sheet, directory, server, observed, seconds }, door);
  });
}

/** What the migration step of a release has to do. */
export function migrationOf({ sheet, migrated = false }: NextRelease): Migration {
  if (sheet.way !== "migrate") return "idle";
  return migrated ? "done" : "due";
}

/**
 * What no server may be on the database for: with the server stopped, or with nobody asking it.
 * @returns what is to be done to each part after it
 */
async function workAway(
  { next }: CutOverAsked,
  stays: boolean,
  pause: Pause | undefined,
  tools: Tools,
): Promise<Change[]> {
  const { target, awayWork, migrateSeconds } = next;
  const expectPause = async () => {
    if (pause !== undefined && migrateSeconds !== undefined)
      await assertPauseCovers(pause, migrateSeconds);
  };
  const { stack } = target.prepared;
  const { service } = stack.server;
  const stops = awayWork !== undefined && !stays;
  if (stops) await stopAll(stack, [service], tools, "stop");
  await expectPause();
  if (awayWork !== undefined) await awayWork(await databaseServing(target, tools), tools, stays);
  await expectPause();
  const now = await tools.engine.containers(stack.project);
  const migration = migrationOf(next);
  return planChanges(stack, now, target.images.idByReference, migration).map((one) =>
    // The server that was stopped for it may be one that stays; the engine's list still says
    // for a moment that it runs.
    one.service === service && one.action === "none" && stops
      ? { ...one, action: "start" as const, causes: ["stopped meanwhile"] }
      : one,
  );
}
