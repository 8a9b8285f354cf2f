import type { Check } from "../checks/verify.ts";
import { Problem } from "../common/problem.ts";
import { assertAllows, lackText } from "../database/assertDatabase.ts";
import { revision } from "../database/revisions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { giveRolesBack, takeOverRoles } from "../database/takeOverRoles.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import {
  keepRelease,
  newestGood,
  nextReleaseId,
  readReleaseFile,
  updateRelease,
} from "../state/releases.ts";
import { secretKey } from "../state/secretKey.ts";
import { checkRollout } from "./checkRollout.ts";
import { databaseOf, judgeExternalDatabase } from "./databaseOf.ts";
import { describeRelease, madeDigests, settingsText } from "./describeRelease.ts";
import { assertPassword } from "./guards.ts";
import { markLive } from "./ownership.ts";
import { obtainImages } from "./obtainImages.ts";
import { planChanges, type Change } from "./planChanges.ts";
import { assertOwn } from "./preflight.ts";
import { imageSettings, prepareStack, type PreparedStack } from "./prepareStack.ts";
import { recover } from "./recover.ts";
import { refuseOtherPlace } from "./assertSamePlace.ts";
import { runMarks } from "./nextRelease.ts";
import { type Retaining, session, type Session } from "./session.ts";
import { stopAll, updateServices } from "./updateServices.ts";
import { telemetryCounts } from "./collectorUpdate.ts";
import { assertVerified, checksSummary, verifyRelease } from "./verifyRelease.ts";

export interface UpOutcome {
  readonly release: string;
  readonly from: string | null;
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly prepared: PreparedStack;
}

export interface UpInput {
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether to wait for another run to end. */
  readonly wait: boolean;
  readonly adoptState?: boolean;
}

/**
 * Brings a local stack up, or repairs what differs, and verifies it. Nothing to do touches
 * nothing.
 * @throws Problem of every kind that its steps throw; INTERRUPTED after Ctrl-C
 */
export function up(
  settings: Settings,
  input: UpInput,
  context: Context,
): Promise<UpOutcome & Retaining> {
  const { wait, adoptState = false } = input;
  const requested = { command: "up", reason: null, wait, adoptState };
  return session(settings, requested, context, (begun) => bringUp(settings, input, begun));
}

async function bringUp(settings: Settings, input: UpInput, begun: Session): Promise<UpOutcome> {
  const { directory, context } = begun;
  refuseOtherPlace(settings, directory);
  await recover(settings, begun);
  const observed = await context.engine.containers(settings.project);
  assertOwn(settings.project, observed);
  const images = await obtainImages(
    settings,
    [...imageSettings(settings), "POSTGRES_IMAGE"],
    context,
  );
  const last = newestGood(directory);
  const from = last?.id ?? null;
  const id = nextReleaseId(directory);
  const prepared = prepareStack(settings, {
    release: id,
    images: images.bySetting,
    cpus: await context.engine.cpus(),
    observed,
    secretKey: secretKey(directory, context.randomBytes),
  });
  const changes = planChanges(prepared.stack, observed, images.idByReference);
  const circumstances = {
    telemetryCounts: telemetryCounts(settings, false),
    changesTelemetry: true, // on a developer's machine each service is to work
  };
  if (changes.every((one) => one.action === "none")) {
    const checks = await verifyRelease(settings, prepared, directory, context, "quick");
    assertVerified(checks, circumstances, settings.environment, context);
    return { release: from ?? id, from, changes, checks, prepared };
  }
  const judged =
    last?.services["collector"]?.imageId ===
      images.idByReference.get(images.bySetting.get("COLLECTOR_IMAGE") ?? "") &&
    readReleaseFile(directory, last?.id ?? "", "collector.yaml") === prepared.collector;
  const rollout = { settings, prepared, changes, images, recreate: input.recreate, judged };
  const database = observed.find((one) => one.service === "postgres" && one.health === "healthy");
  await assertPassword(settings, database?.id, context);
  await checkRollout(rollout, context);
  const postgres = images.bySetting.get("POSTGRES_IMAGE")!;
  const external = await judgeExternalDatabase(settings, postgres, context);
  for (const one of assertAllows(external, ["deploy", "write", "migrate"]))
    context.reporter.note(`database: ${lackText(one)}`);
  const target = { settings, prepared, images, restores: null };
  const parts = {
    kind: "up",
    id,
    present: last,
    heads: [],
    revision: [],
    databaseStrategy: null,
    backup: null,
    verifications: [],
    rehearsal: null,
  } as const;
  const release = describeRelease(parts, target, begun);
  const file = keepRelease(directory, release, {
    "compose.yaml": prepared.stack.text,
    "collector.yaml": prepared.collector,
    "settings.env": settingsText(settings),
  });
  for (const change of changes.filter((one) => one.action !== "none")) {
    context.reporter.note(`${change.action} ${change.service}: ${change.causes.join(", ")}`);
  }
  let separated: DatabaseServer | undefined;
  try {
    separated = await separateRoles(settings, postgres, observed, context);
    await updateServices({ settings, stack: prepared.stack, file, changes, postgres }, context);
    const containers = await context.engine.containers(settings.project);
    const container = containers.find((one) => one.service === "postgres")?.id;
    const database = databaseOf(settings, { container, image: postgres }, context);
    const [checks, at] = await Promise.all([
      context.reporter.step(
        "verify",
        () => verifyRelease(settings, prepared, directory, context, "whole"),
        checksSummary,
      ),
      revision(database.database(), prepared.stack.server.revisionQuery),
    ]);
    assertVerified(checks, circumstances, settings.environment, context);
    // What it was migrated to is what its image leads to.
    const services = await madeDigests(release, last, settings.project, directory, context);
    updateRelease(directory, { ...release, outcome: "good", revision: at, heads: at, services });
    await markLive(database, runMarks(begun, release)("live"), context);
    return { release: id, from, changes, checks, prepared };
  } catch (error) {
    updateRelease(directory, { ...release, outcome: "failed" });
    if (separated !== undefined) await giveRolesBack(separated);
    if (context.signal.aborted) throw await undo(settings, prepared.stack, changes, context);
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
  context: Context,
): Promise<DatabaseServer | undefined> {
  const postgres = observed.find((one) => one.service === "postgres");
  if (settings.has("LETTA_PG_URI") || postgres?.state !== "running") return undefined;
  const server = databaseOf(settings, { container: postgres.id, image }, context);
  if ((await server.roles()).kind !== "superuser") return undefined;
  await context.reporter.step("separate database roles", () => takeOverRoles(server));
  return server;
}

/**
 * After Ctrl-C: removes what this run made and did not verify, last one first. Volumes stay.
 * @returns the Problem to end with: where things stand and how to go on
 */
export async function undo(
  settings: Settings,
  stack: Stack,
  changes: readonly Change[],
  context: Context,
): Promise<Problem> {
  const made = changes.filter((one) => one.action === "create" || one.action === "recreate");
  const services = made.map((one) => one.service);
  await stopAll(stack, services, context, "stop started services");
  for (const container of await context.engine.containers(stack.project)) {
    if (services.includes(container.service)) await context.engine.remove(container.id);
  }
  const left = (await context.engine.containers(stack.project)).filter(
    (one) => one.state === "running",
  );
  if (left.length === 0) await context.engine.down(stack.project, false);
  const standing =
    left.length === 0 ? "nothing runs" : `${left.map((one) => one.service).join(", ")} still runs`;
  return new Problem("INTERRUPTED", `interrupted: ${standing}, all volumes are retained`, {
    next: `npm run up:${settings.environment}`,
  });
}
