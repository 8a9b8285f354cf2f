import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseServer } from "../database/sql.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import { newestGood } from "../ledger/releases.ts";
import type { Activation } from "./activate.ts";
import { chooseCutover, type Cutover } from "./chooseCutover.ts";
import { databaseOf } from "./databaseOf.ts";
import { execute } from "./execute.ts";
import { findDoor } from "./findDoor.ts";
import { otherHeads } from "./otherHeads.ts";
import { planChanges, type Change } from "./planChanges.ts";
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
 * proxy sends them to the new server once it is proven, or holds them until it is.
 * @throws Problem STEP_FAILED at the first part that does not come up; a hold goes on then, for
 *   the way back to end it
 */
export async function cutOver(asked: CutOverAsked, tools: Tools): Promise<CutOverDone> {
  const { activation, observed, changes } = asked;
  const { sheet, target, file, incident, awayWork } = activation;
  const { settings, prepared, images } = target;
  const { stack } = prepared;
  const { service } = stack.server;
  const migrates = sheet.way === "migrate";
  const isAway = awayWork !== undefined;
  const wish = settings.get("CUTOVER");
  // Two servers of different ways with one schema are proven together by nobody.
  const away = isAway || (sheet.way !== "none" && sheet.way !== null);
  const isOther = otherHeads(newestGood(activation.directory), sheet.heads);
  const parts = { stack, changes, observed, away, otherHeads: isOther, wish };
  const { cutover } = chooseCutover(parts);
  const isShut = cutover === "hold" || cutover === "overlap";
  const door = isShut ? await findDoor(settings, sheet.id, tools) : undefined;
  const postgres = images.bySetting.get("POSTGRES_IMAGE")!;
  const carryOut = (steps: readonly Change[], isMeant: (name: string) => boolean) =>
    execute(
      {
        settings,
        stack,
        file,
        changes: steps.filter((one) => isMeant(one.service)),
        postgres,
        migrates,
        incident,
      },
      tools,
    );
  const reload = stack.services.find((one) => one.name === "proxy")?.reload;
  const isDoor = (name: string) => name === "proxy" || name === reload?.after;
  const doorStays = changes.some((one) => one.service === "proxy" && one.action === "none");
  // A proxy that reads its configuration anew ends the waiting of those it holds (Caddy 2.11):
  // so it does before anybody is held.
  if (door !== undefined && doorStays) {
    await carryOut(changes, isDoor);
    const isRead = changes.some((one) => one.service === reload?.after && one.action !== "none");
    if (isRead && cutover === "hold") await sleep(handOverMs, undefined, { signal: tools.signal });
  }
  const left = tools.now();
  if (cutover === "hold") {
    await tools.say.step("hold requests at the proxy", async () => door?.hold());
  }
  if (isAway) {
    await stopAll(stack, [service], tools, "stop");
    await awayWork(await databaseServing(target, tools), tools);
  }
  const now = await tools.engine.containers(settings.project);
  const todo = planChanges(stack, now, images.idByReference, migrates).map((one) =>
    // The server that was stopped for it may be one that stays; the engine's list still says
    // for a moment that it runs.
    one.service === service && one.action === "none" && isAway
      ? { ...one, action: "start" as const, causes: ["stopped meanwhile"] }
      : one,
  );
  const isTouched = changes.some((one) => one.service === service && one.action !== "none");
  if (door === undefined) {
    await carryOut(todo, () => true);
  } else if (cutover === "overlap") {
    await carryOut(todo, (name) => !isDoor(name) && name !== service);
    const execution = { settings, stack, file, changes: todo, postgres, incident };
    if (isTouched) await replaceServer(execution, door, tools);
    await carryOut(todo, isDoor);
  } else {
    await carryOut(todo, (name) => !isDoor(name));
    await tools.say.step("let requests go on", async () => {
      const [server] = await serversOf(stack, tools.engine);
      await proveServer(server!.id, settings, stack, tools);
      await door.open();
    });
    // A door that has to be replaced comes last: behind it there is somebody to answer again.
    await carryOut(todo, isDoor);
  }
  const served = observed.some((one) => one.service === service && one.state === "running");
  const seconds = cutover === "overlap" ? 0 : (tools.now() - left) / 1000;
  return { cutover, awaySeconds: served && (isTouched || isAway) ? seconds : null };
}

/** The database's server as it runs now. */
export async function databaseServing(target: Target, tools: Tools): Promise<DatabaseServer> {
  const { settings, images } = target;
  const containers = await tools.engine.containers(settings.project);
  const container = containers.find((one) => one.service === "postgres")?.id;
  const image = images.bySetting.get("POSTGRES_IMAGE")!;
  return databaseOf(settings, { container, image }, tools.engine);
}
