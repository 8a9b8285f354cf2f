import { letIn } from "../ledger/letIn.ts";
import { execute, type Execution } from "../parts/execute.ts";
import type { Change } from "../parts/planChanges.ts";
import { serversOf } from "../parts/serversOf.ts";
import type { Tools } from "../parts/tools.ts";
import type { Door, Pause } from "./findDoor.ts";
import type { NextRelease } from "./nextRelease.ts";
import { openDoor } from "./openDoor.ts";
import { proveUnderLoad } from "./proveUnderLoad.ts";
import { replaceServer } from "./replaceServer.ts";

/** What is left to be done, and with what. */
export interface Road {
  readonly next: NextRelease;
  readonly todo: readonly Change[];
  readonly tools: Tools;
}

/** Brings about what is meant of it. */
export function bring({ next, todo, tools }: Road, isMeant: (name: string) => boolean) {
  return execute(executionOf(next, todo, isMeant), tools);
}

/** The proxy, and what lays out the configuration that it reads. */
export function isDoor(name: string, { target }: NextRelease): boolean {
  const proxy = target.prepared.stack.services.find((one) => one.name === "proxy");
  return name === "proxy" || name === proxy?.reload?.after;
}

/** From here on somebody may have written what the copy of before lacks. */
export function noteLetIn({ sheet, directory }: NextRelease): void {
  if (sheet.way === "migrate") letIn(directory, sheet.id);
}

/** Nobody can be held: whoever makes a request meets what there is. */
export async function withoutDoor(road: Road): Promise<void> {
  const { next, tools } = road;
  noteLetIn(next);
  await bring(road, () => true);
  // In an incident an earlier run may have left requests waiting for a server that is there.
  if (next.incident) await openDoor(next.target.settings, tools);
}

/** Requests wait until the new server has proven itself. */
export async function behindDoor(road: Road, door: Door): Promise<void> {
  const { next, tools } = road;
  const { settings, prepared } = next.target;
  await bring(road, (name) => !isDoor(name, next));
  await tools.say.step("let requests go on", async () => {
    const [server] = await serversOf(prepared.stack, tools.engine);
    // Under a pause there is no load: only in an incident what fails as before is better than nothing.
    await proveUnderLoad(server!.id, settings, prepared.stack, tools, {
      before: next.sheet.before,
      isExcused: next.incident,
    });
    noteLetIn(next);
    await door.open();
  });
  // A door that has to be replaced comes last: behind it there is somebody to answer again.
  await bring(road, (name) => isDoor(name, next));
}

/** Requests wait for the migration, and then go to the server that was there before it. */
export async function migrateMeanwhile(
  road: Road,
  door: Door,
  pause: Pause | undefined,
): Promise<void> {
  const { next, tools } = road;
  const { migrate } = next.target.prepared.stack.server;
  await bring(road, (name) => name === migrate);
  if (pause !== undefined && (await pause.remaining()) === 0)
    tools.say.note("the pause ended during the migration: requests reached the old server");
  await tools.say.step("let requests go on, to the old server", () => door.open());
}

/** The old server answers until the new one has proven itself. */
export async function besideOld(
  road: Road,
  door: Door,
  isTouched: boolean,
  isMigrated: boolean,
): Promise<void> {
  const { next, todo, tools } = road;
  const { server } = next.target.prepared.stack;
  const isOther = (name: string) =>
    !isDoor(name, next) && name !== server.service && !(isMigrated && name === server.migrate);
  await bring(road, isOther);
  const ofServer = executionOf(next, todo, (name) => name === server.service);
  if (isTouched) await replaceServer(ofServer, door, tools);
  await bring(road, (name) => isDoor(name, next));
}

function executionOf(
  { sheet, target, file, incident, endsSessions = false }: NextRelease,
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
    endsSessions,
    ...(sheet.before === undefined ? {} : { failedBefore: sheet.before }),
  };
}
