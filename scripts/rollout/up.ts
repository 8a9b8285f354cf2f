import { assertAllows, lackText } from "../database/judgeDatabase.ts";
import { revision } from "../database/revision.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { giveRolesBack, takeOverRoles } from "../database/takeOverRoles.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import {
  keepRelease,
  nextReleaseId,
  readReleaseFile,
  newestGood,
  updateRelease,
} from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { databaseOf } from "../parts/databaseOf.ts";
import { execute } from "../parts/execute.ts";
import { judgeExternalDatabase } from "../parts/judgeExternalDatabase.ts";
import { planChanges, type Change } from "../parts/planChanges.ts";
import { telemetryCounts } from "../parts/telemetryCounts.ts";
import type { Tools } from "../parts/tools.ts";
import { undo } from "../parts/undo.ts";
import { checkRollout } from "../preparation/checkRollout.ts";
import { madeDigests } from "../preparation/madeDigests.ts";
import { obtainImages } from "../preparation/obtainImages.ts";
import { refuseForeign } from "../preparation/preflight.ts";
import { imageSettings, prepareStack, type PreparedStack } from "../preparation/prepareStack.ts";
import { checksSummary, expectProven, proveStack } from "../proof/proveStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../verification/verify.ts";
import { describeRelease } from "./describeRelease.ts";
import { markLive } from "./markLive.ts";
import { recover } from "./recover.ts";
import { refuseWrongPassword } from "./refuseGuarded.ts";
import { refuseOtherPlace } from "./refuseOtherPlace.ts";
import { runMarks } from "./runMarks.ts";
import { session, type Retaining, type Session } from "./session.ts";
import { settingsText } from "./settingsText.ts";

export interface UpOutcome {
  readonly release: string;
  readonly from: string | null;
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly prepared: PreparedStack;
}

export interface UpAsked {
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether to wait for another run to end. */
  readonly wait: boolean;
  readonly adoptState?: boolean;
}

/**
 * Brings a local stack up, or repairs what differs, and proves it. Nothing to do touches
 * nothing.
 * @throws Problem of every kind that its steps throw; INTERRUPTED after Ctrl-C
 */
export function up(
  settings: Settings,
  asked: UpAsked,
  tools: Tools,
): Promise<UpOutcome & Retaining> {
  const { wait, adoptState = false } = asked;
  const wanted = { command: "up", reason: null, wait, adoptState };
  return session(settings, wanted, tools, (begun) => bringUp(settings, asked, begun));
}

async function bringUp(settings: Settings, asked: UpAsked, begun: Session): Promise<UpOutcome> {
  const { directory, tools } = begun;
  refuseOtherPlace(settings, directory);
  await recover(settings, begun);
  const observed = await tools.engine.containers(settings.project);
  refuseForeign(settings.project, observed);
  const images = await obtainImages(
    settings,
    [...imageSettings(settings), "POSTGRES_IMAGE"],
    tools,
  );
  const last = newestGood(directory);
  const from = last?.id ?? null;
  const id = nextReleaseId(directory);
  const prepared = prepareStack(settings, {
    release: id,
    images: images.bySetting,
    cpus: await tools.engine.cpus(),
    observed,
    secretKey: secretKey(directory, tools.randomBytes),
  });
  const changes = planChanges(prepared.stack, observed, images.idByReference);
  const circumstances = {
    telemetryCounts: telemetryCounts(settings, false),
    changesTelemetry: true, // on a developer's machine each part is to work
  };
  if (changes.every((one) => one.action === "none")) {
    const checks = await proveStack(settings, prepared, directory, tools, "quick");
    expectProven(checks, circumstances, settings.environment, tools);
    return { release: from ?? id, from, changes, checks, prepared };
  }
  const judged =
    last?.services["collector"]?.imageId ===
      images.idByReference.get(images.bySetting.get("COLLECTOR_IMAGE") ?? "") &&
    readReleaseFile(directory, last?.id ?? "", "collector.yaml") === prepared.collector;
  const rollout = { settings, prepared, changes, images, recreate: asked.recreate, judged };
  const database = observed.find((one) => one.service === "postgres" && one.health === "healthy");
  await refuseWrongPassword(settings, database?.id, tools);
  await checkRollout(rollout, tools);
  const postgres = images.bySetting.get("POSTGRES_IMAGE")!;
  const external = await judgeExternalDatabase(settings, postgres, tools);
  for (const one of assertAllows(external, ["deploy", "write", "migrate"]))
    tools.say.note(`database: ${lackText(one)}`);
  const target = { settings, prepared, images, restores: null };
  const parts = {
    kind: "up",
    id,
    present: last,
    heads: [],
    revision: [],
    way: null,
    backup: null,
    proofs: [],
    rehearsal: null,
  } as const;
  const release = describeRelease(parts, target, begun);
  const file = keepRelease(directory, release, {
    "compose.yaml": prepared.stack.text,
    "collector.yaml": prepared.collector,
    "settings.env": settingsText(settings),
  });
  for (const change of changes.filter((one) => one.action !== "none")) {
    tools.say.note(`${change.action} ${change.service}: ${change.causes.join(", ")}`);
  }
  let separated: DatabaseServer | undefined;
  try {
    separated = await separateRoles(settings, postgres, observed, tools);
    await execute({ settings, stack: prepared.stack, file, changes, postgres }, tools);
    const containers = await tools.engine.containers(settings.project);
    const container = containers.find((one) => one.service === "postgres")?.id;
    const database = databaseOf(settings, { container, image: postgres }, tools);
    const [checks, at] = await Promise.all([
      tools.say.step(
        "proof",
        () => proveStack(settings, prepared, directory, tools, "whole"),
        checksSummary,
      ),
      revision(database.database(), prepared.stack.server.revisionQuery),
    ]);
    expectProven(checks, circumstances, settings.environment, tools);
    // What it was migrated to is what its image leads to.
    const services = await madeDigests(release, last, settings.project, directory, tools);
    updateRelease(directory, { ...release, outcome: "good", revision: at, heads: at, services });
    await markLive(database, runMarks(begun, release)("live"), tools);
    return { release: id, from, changes, checks, prepared };
  } catch (error) {
    updateRelease(directory, { ...release, outcome: "failed" });
    if (separated !== undefined) await giveRolesBack(separated);
    if (tools.signal.aborted) throw await undo(settings, prepared.stack, changes, tools);
    throw error;
  }
}

/**
 * Takes from the application's database role what it does not need, where an earlier version made
 * it a superuser. A stack for developers has no copy to try it on: a failure gives it back.
 * @returns the server whose roles were changed
 */
async function separateRoles(
  settings: Settings,
  image: string,
  observed: readonly ObservedContainer[],
  tools: Tools,
): Promise<DatabaseServer | undefined> {
  const postgres = observed.find((one) => one.service === "postgres");
  if (settings.has("LETTA_PG_URI") || postgres?.state !== "running") return undefined;
  const server = databaseOf(settings, { container: postgres.id, image }, tools);
  if ((await server.roles()).kind !== "superuser") return undefined;
  await tools.say.step("separate the database roles", () => takeOverRoles(server));
  return server;
}
