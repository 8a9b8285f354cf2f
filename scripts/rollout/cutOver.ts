import { setTimeout as sleep } from "node:timers/promises";
import type { ObservedContainer } from "../engine/engine.ts";
import { letIn } from "../ledger/letIn.ts";
import { newestGood } from "../ledger/releases.ts";
import type { Activation } from "./activate.ts";
import { chooseCutover, type Cutover } from "./chooseCutover.ts";
import { databaseServing } from "./databaseServing.ts";
import { execute, type Execution } from "./execute.ts";
import { findDoor } from "./findDoor.ts";
import { lastSpans } from "./lastSpans.ts";
import { openDoor } from "./openDoor.ts";
import { otherHeads } from "./otherHeads.ts";
import { planChanges, type Change, type Migration } from "./planChanges.ts";
import { proveServer } from "./proveServer.ts";
import { replaceServer } from "./replaceServer.ts";
import { serversOf } from "./serversOf.ts";
import { stopAll } from "./stopAll.ts";
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
 * proxy sends them to the new server once it is proven, or holds them until it is.
 * @throws Problem STEP_FAILED at the first part that does not come up; a hold goes on then, for
 *   the way back to end it
 */
export async function cutOver(asked: CutOverAsked, tools: Tools): Promise<CutOverDone> {
  const { activation, observed, changes } = asked;
  const { sheet, target, incident, awayWork } = activation;
  const { settings, prepared } = target;
  const { stack } = prepared;
  const { service } = stack.server;
  const isServer = (name: string) => name === service;
  const { cutover } = chooseCutover({
    stack,
    changes,
    observed,
    // A server that goes by another way than the one before it is not proven beside that.
    away: awayWork !== undefined || (sheet.way !== "none" && sheet.way !== null),
    otherHeads: otherHeads(newestGood(activation.directory), sheet.heads),
    wish: settings.get("CUTOVER"),
  });
  const role = stack.services.find((one) => isServer(one.name))!;
  const isShut = cutover === "hold" || cutover === "overlap";
  const door = isShut ? await findDoor(settings, sheet.id, tools) : undefined;
  const isTouched = changes.some((one) => isServer(one.service) && one.action !== "none");
  const reload = stack.services.find((one) => one.name === "proxy")?.reload;
  const isDoor = (name: string) => name === "proxy" || name === reload?.after;
  if (door !== undefined) await reloadDoor(asked, cutover, isDoor, tools);
  const served = observed.some((one) => isServer(one.service) && one.state === "running");
  const leaves = served && (isTouched || awayWork !== undefined);
  const left = tools.now();
  if (cutover === "hold") {
    await tools.say.step("hold requests at the proxy", async () => {
      await door?.hold();
      if (door !== undefined && leaves) await lastSpans(role, tools);
    });
  }
  const todo = await workAway(asked, tools);
  const bring = (isMeant: (name: string) => boolean) =>
    execute(executionOf(activation, todo, isMeant), tools);
  const noteLetIn = () => {
    if (sheet.way === "migrate") letIn(activation.directory, sheet.id);
  };
  if (door === undefined) {
    noteLetIn();
    await bring(() => true);
    // In an incident an earlier run may have left requests waiting for a server that is there.
    if (incident) await openDoor(settings, tools);
  } else if (cutover === "overlap") {
    await bring((name) => !isDoor(name) && !isServer(name));
    if (isTouched) await replaceServer(executionOf(activation, todo, isServer), door, tools);
    await bring(isDoor);
  } else {
    await bring((name) => !isDoor(name));
    await tools.say.step("let requests go on", async () => {
      const [server] = await serversOf(stack, tools.engine);
      await proveServer(server!.id, settings, stack, tools);
      noteLetIn();
      await door.open();
    });
    // A door that has to be replaced comes last: behind it there is somebody to answer again.
    await bring(isDoor);
  }
  const seconds = cutover === "overlap" ? 0 : (tools.now() - left) / 1000;
  return { cutover, awaySeconds: leaves ? seconds : null };
}

/**
 * A proxy that stays reads its new configuration before anybody is held: doing so ends the
 * waiting of those it holds (Caddy 2.11).
 */
async function reloadDoor(
  { activation, changes }: CutOverAsked,
  cutover: Cutover,
  isDoor: (name: string) => boolean,
  tools: Tools,
): Promise<void> {
  const own = changes.filter((one) => isDoor(one.service));
  const isRead = own.some((one) => one.service !== "proxy" && one.action !== "none");
  const stays = own.some((one) => one.service === "proxy" && one.action === "none");
  if (!isRead || !stays) return;
  await execute(executionOf(activation, own, isDoor), tools);
  if (cutover === "hold") await sleep(handOverMs, undefined, { signal: tools.signal });
}

/** What the migration step of a release has to do. */
export function migrationOf({ sheet, migrated = false }: Activation): Migration {
  if (sheet.way !== "migrate") return "idle";
  return migrated ? "done" : "due";
}

/**
 * What no server may be on the database for, with the server stopped.
 * @returns what is to be done to each part after it
 */
async function workAway({ activation }: CutOverAsked, tools: Tools): Promise<Change[]> {
  const { target, awayWork } = activation;
  const { stack } = target.prepared;
  const { service } = stack.server;
  if (awayWork !== undefined) {
    await stopAll(stack, [service], tools, "stop");
    await awayWork(await databaseServing(target, tools), tools);
  }
  const now = await tools.engine.containers(stack.project);
  const migration = migrationOf(activation);
  return planChanges(stack, now, target.images.idByReference, migration).map((one) =>
    // The server that was stopped for it may be one that stays; the engine's list still says
    // for a moment that it runs.
    one.service === service && one.action === "none" && awayWork !== undefined
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
