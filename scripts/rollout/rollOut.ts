import type { Cutover } from "../cutover/chooseCutover.ts";
import { clearScratch } from "../database/dropScratch.ts";
import { writePasswordFile } from "../database/passwordFile.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import { describeEngine } from "../engine/endpoint.ts";
import { readReleaseFile, type Release } from "../ledger/releases.ts";
import type { Change } from "../parts/planChanges.ts";
import { checkRollout } from "../preparation/checkRollout.ts";
import type { Making, Target } from "../preparation/target.ts";
import { expectPassed, proveStack } from "../proof/proveStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import { labels } from "../stack/renderStack.ts";
import type { Check } from "../verification/verify.ts";
import { actorOf } from "./actorOf.ts";
import { askFailingServer } from "./askFailingServer.ts";
import { askEndSessions, needsDatabaseAlone } from "./askEndSessions.ts";
import type { Comparison } from "./bakeGate.ts";
import { carryOut } from "./carryOut.ts";
import type { Decision } from "./decide.ts";
import { newRun } from "./describeRelease.ts";
import { refuseUngated } from "./describeGate.ts";
import { describePlan } from "./describePlan.ts";
import { prune } from "./prune.ts";
import {
  hasNewPassword,
  refuseChangedKey,
  refuseOtherMajor,
  refuseSmallDisk,
  refuseUnproven,
  refuseWrongPassword,
} from "./refuseGuarded.ts";
import { refuseUnusable, usesBackup } from "./refuseBackup.ts";
import { refuseStopped } from "./refuseStopped.ts";
import { namesNeeded, refuseTakenNames } from "./refuseTakenNames.ts";
import type { Rehearsal } from "./rehearse.ts";
import { runMarks } from "./runMarks.ts";
import type { Session } from "./session.ts";
import { newestBackupAt } from "./tryWays.ts";
import { unverifiedRelease } from "./unverifiedRelease.ts";
import { worseRelease } from "./worseRelease.ts";

export interface RolloutAsked {
  readonly reason: string | null;
  /** Whether to wait for another run to end. */
  readonly wait: boolean;
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether sessions of others may be ended without a question. */
  readonly endSessions?: boolean;
  readonly adoptState?: boolean;
  /** Whether a server that fails already is no reason to ask. */
  readonly despiteFailures?: boolean;
}

/** What a deploy or a rollback came to. */
export interface RolloutOutcome {
  readonly release: string;
  readonly from: string | null;
  readonly tag: string;
  readonly way: Release["way"];
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly decision: Decision;
  readonly cutover: Cutover;
  /** How long no server answered; null where it was not touched. */
  readonly awaySeconds: number | null;
  /** What was told of that before, as the rehearsal measured it; null where nothing was. */
  readonly expectedPauseSeconds: number | null;
  readonly rehearsal: Rehearsal | null;
  /** How it did beside the release before; null where nobody asked for that. */
  readonly bake: Comparison | null;
  readonly target: Target;
}

export interface RollOutParts {
  readonly kind: "deploy" | "rollback";
  /** Those of now. */
  readonly settings: Settings;
  readonly target: Target;
  readonly decision: Decision;
  readonly making: Making;
  readonly asked: RolloutAsked;
  readonly fromDump?: readonly string[];
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
}

/** The road of deploy and rollback from the decision on. */
export async function rollOut(parts: RollOutParts, begun: Session): Promise<RolloutOutcome> {
  const { kind, settings, target, decision, making, asked } = parts;
  const { directory, tools } = begun;
  const { present, database } = decision.situation;
  const outcome = {
    from: present?.id ?? null,
    tag: target.settings.get("LETTA_VERSION"),
    decision,
    changes: decision.changes,
    target,
  };
  const isSame =
    present !== undefined &&
    !decision.separatesRoles &&
    isRecorded(target, present, decision) &&
    (decision.schema.action === "none" || isKept(decision, present)) &&
    decision.changes.every((one) => one.action === "none");
  if (isSame) {
    const checks = await proveStack(target.settings, target.prepared, directory, tools, "quick");
    expectPassed(checks, settings.environment);
    return {
      ...outcome,
      release: present.id,
      way: "none",
      checks,
      cutover: "none",
      awaySeconds: null,
      expectedPauseSeconds: null,
      rehearsal: null,
      bake: null,
    };
  }
  if (database === undefined) await refuseStopped(settings, tools);
  if (kind === "deploy") refuseUngated(target, present);
  const run = newRun(tools);
  const marks = runMarks(begun, { id: making.id, run });
  const key = making.secretKey!;
  refuseChangedKey(settings, present, key, decision.situation.encryptionKey);
  const postgres = decision.situation.observed.find((one) => one.service === "postgres");
  const changesPostgres = decision.changes.some(
    (one) => one.service === "postgres" && one.action === "recreate",
  );
  const password = database && refuseWrongPassword(settings, postgres?.id, tools);
  password?.catch(() => undefined); // told below, after what is told first
  await refuseOtherMajor(target, database, changesPostgres, tools);
  await checkRollout(
    {
      settings: target.settings,
      prepared: target.prepared,
      changes: decision.changes,
      images: target.images,
      recreate: asked.recreate,
      judged: isJudged(target, present, directory),
      past: target.restores !== null,
    },
    tools,
  );
  let endsSessions = asked.endSessions === true;
  if (database !== undefined) {
    await password;
    if (decision.schema.action !== "none" || decision.separatesRoles) {
      const { attempts, heads } = decision.schema;
      const backup = attempts.some(usesBackup) ? newestBackupAt(directory, heads) : undefined;
      // Where another strategy may pass, one whose backup is refused is passed over (tryWays).
      if (backup !== undefined && attempts.every(usesBackup))
        refuseUnusable(directory, backup, { fromDump: [], ...parts, attempts });
      if (decision.mayCopy) await refuseTakenNames(database, namesNeeded(marks));
      const isRestored = attempts.includes("restore");
      await refuseSmallDisk(directory, database, isRestored ? backup : undefined);
    }
    if (needsDatabaseAlone(decision))
      endsSessions = await askEndSessions(database, target.prepared.stack, endsSessions, tools);
  }
  const { observed } = decision.situation;
  const { stack } = target.prepared;
  const mayGoOn = kind === "rollback" || asked.despiteFailures === true;
  const isRotated = database !== undefined && hasNewPassword(settings, present, key);
  if (isRotated) tools.say.note("before: the server does not have the new database password yet");
  const before =
    database && !isRotated
      ? await askFailingServer({ settings, stack, observed, database, present }, mayGoOn, tools)
      : undefined;
  const images = target.prepared.stack.services.map((one) =>
    target.images.idByReference.get(one.image)!,
  );
  const unproven = kind === "deploy" ? refuseUnproven(settings, images) : undefined;
  const lines = [
    describeEngine(tools.engine),
    ...(await describePlan(target, decision, present, directory)),
  ];
  const what = kind === "deploy" ? "Deploy this" : "Roll back to this";
  const shown = unproven === undefined ? lines : [...lines, `note: ${unproven}`];
  const isSwift = isProven(decision) && !decision.separatesRoles;
  // In an incident nobody is asked about what was proven to lose nothing.
  if (kind === "rollback" && isSwift) shown.forEach((line) => tools.say.note(line));
  else await tools.say.confirm(`${what} in ${settings.environment}?`, shown);
  const newPassword = isRotated ? settings.secrets.get("LETTA_PG_PASSWORD") : undefined;
  if (postgres !== undefined && newPassword !== undefined)
    await writePasswordFile(tools.engine, postgres.id, newPassword);
  if (database !== undefined && !isSwift) {
    await clearScratch(database, marks("live").installation);
  }
  // Whoever plays on a copy; where nobody does, they are not looked for.
  const actor = (release: Release | undefined) =>
    isSwift ? undefined : actorOf(settings, release, making, tools);
  const done = await carryOut(
    {
      kind,
      id: making.id,
      run,
      settings,
      target,
      situation: decision.situation,
      schema: decision.schema,
      separatesRoles: decision.separatesRoles,
      mayCopy: decision.mayCopy,
      mayRestore: decision.mayRestore,
      endsSessions,
      changes: decision.changes,
      formerTag: (decision.knower ?? present)?.tag,
      former: await actor(present),
      knower: await actor(decision.knower),
      fromDump: parts.fromDump ?? [],
      foreign: parts.foreign === true,
      before,
      incident: kind === "rollback",
    },
    begun,
  );
  // The release is good whatever becomes of what is too old.
  await prune(settings, directory, tools).catch((error: unknown) =>
    tools.say.note(`what is too old is left for the next command: ${String(error)}`),
  );
  const { release, compared: bake = null, ...came } = done;
  if (bake?.verdict === "worse") throw worseRelease(bake, release);
  if (release.unverified !== undefined) throw unverifiedRelease(release, release.unverified);
  return { ...outcome, ...came, release: release.id, bake };
}

/** Whether the present release is what would run: else it runs, and no release says so. */
function isRecorded({ prepared, images }: Target, present: Release, { schema }: Decision): boolean {
  const { stack } = prepared;
  const { services } = present;
  if (schema.action === "none") {
    return stack.services.every((one) => services[one.name]?.digest === one.labels[labels.digest]);
  }
  // On a newer schema it runs without its migration step, under other digests.
  const image = images.idByReference.get(images.bySetting.get("LETTA_IMAGE") ?? "");
  return services[stack.server.service]?.imageId === image;
}

function isProven({ schema }: Decision): boolean {
  if (schema.action === "none") return true;
  return schema.ways.some((one) => one.way === schema.action && one.state === "proven");
}

/** Whether the present release serves on the newer schema already. */
function isKept({ schema }: Decision, present: Release): boolean {
  return schema.action === "keep" && sameRevisions(present.revision, schema.revision ?? []);
}

/** Whether this collector's image has judged this very configuration in the present release. */
function isJudged(target: Target, present: Release | undefined, directory: string): boolean {
  if (present === undefined) return false;
  const reference = target.images.bySetting.get("COLLECTOR_IMAGE") ?? "";
  return (
    present.services["collector"]?.imageId === target.images.idByReference.get(reference) &&
    readReleaseFile(directory, present.id, "collector.yaml") === target.prepared.collector
  );
}
