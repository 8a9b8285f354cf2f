import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { nextReleaseId, readReleaseFile, type Release } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../verification/verify.ts";
import { carryOut } from "./carryOut.ts";
import { checkRollout } from "./checkRollout.ts";
import { decide, type Decision } from "./decide.ts";
import { describePlan, describeSchema } from "./describePlan.ts";
import type { Change } from "./planChanges.ts";
import { expectPassed, proveStack } from "./proveStack.ts";
import { prune } from "./prune.ts";
import { readyDatabase } from "./readyDatabase.ts";
import { clearScratch, recover } from "./recover.ts";
import {
  refuseChangedKey,
  refuseOtherMajor,
  refuseSmallDisk,
  refuseUnproven,
  refuseWrongPassword,
} from "./refuseGuarded.ts";
import type { Rehearsal } from "./rehearse.ts";
import { session, type Session } from "./session.ts";
import type { Actor } from "./stage.ts";
import { newTarget, pastTarget, type Making, type Target } from "./target.ts";
import type { Tools } from "./tools.ts";

export interface RolloutAsked {
  readonly reason: string | null;
  /** Whether to wait for another run to end. */
  readonly wait: boolean;
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
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
  /** How long no server answered; null where it was not touched. */
  readonly awaySeconds: number | null;
  readonly rehearsal: Rehearsal | null;
  readonly target: Target;
}

/**
 * Deploys what the settings ask for: looks, decides, shows, confirms; rehearses a migration on
 * a copy while the former release serves; does it, proves it, watches it, records it.
 * @throws Problem of every kind that its steps throw; ROLLED_BACK where it failed and the former
 *   release serves again
 */
export function deploy(
  settings: Settings,
  asked: RolloutAsked,
  tools: Tools,
): Promise<RolloutOutcome> {
  return session(settings, { ...asked, command: "deploy" }, tools, async (begun) => {
    await recover(settings, begun);
    const { directory } = begun;
    const making = await makingOf(settings, begun);
    const target = await newTarget(settings, making, true, begun.tools);
    await readyPresent(settings, target, directory, begun.tools);
    const now = { ...making, observed: await begun.tools.engine.containers(settings.project) };
    const decision = await decide(settings, target, now, undefined, begun.tools);
    refuseUnsafe(decision, settings, "deploy");
    return rollOut({ kind: "deploy", settings, target, decision, making: now, asked }, begun);
  });
}

/** What a rollout is made under now. */
export async function makingOf(settings: Settings, { directory, tools }: Session): Promise<Making> {
  return {
    id: nextReleaseId(directory),
    directory,
    observed: await tools.engine.containers(settings.project),
    secretKey: secretKey(directory, tools.randomBytes),
  };
}

/** Has the database that is there run, by the release that serves or by the one to come. */
export async function readyPresent(
  settings: Settings,
  target: Target,
  directory: string,
  tools: Tools,
): Promise<void> {
  const { newestGood } = await import("../ledger/releases.ts");
  const present = newestGood(directory);
  if (present === undefined) return;
  const file = join(directory, "releases", present.restores ?? present.id, "compose.yaml");
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await readyDatabase(settings, target.prepared.stack, file, postgres, tools);
}

/**
 * A database that the image cannot serve on, and no proven way through.
 * @throws Problem ROLLBACK_UNSAFE with the ways, REVISION_UNKNOWN
 */
export function refuseUnsafe(
  { schema }: Decision,
  settings: Settings,
  command: "deploy" | "rollback",
): void {
  if (schema.action !== "refuse") return;
  if (schema.ways.length === 0) {
    throw new Problem("REVISION_UNKNOWN", schema.why, {
      details: [`the image's head is ${schema.heads.join(", ")}`],
      next: `npm run releases -- ${settings.environment}`,
    });
  }
  const tag = settings.get("LETTA_VERSION");
  const env = settings.environment === "prod" ? "" : ` --env ${settings.environment}`;
  throw new Problem("ROLLBACK_UNSAFE", `${command} refused, nothing was touched: ${schema.why}`, {
    details: describeSchema(schema).slice(1),
    next: `npm run rollback -- ${tag} --database auto${env}`,
  });
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
    decision.schema.action === "none" &&
    decision.changes.every((one) => one.action === "none");
  if (isSame) {
    const checks = await proveStack(target.settings, target.prepared, directory, tools, "quick");
    expectPassed(checks, settings.environment);
    return {
      ...outcome,
      release: present.id,
      way: "none",
      checks,
      awaySeconds: null,
      rehearsal: null,
    };
  }
  const key = making.secretKey!;
  refuseChangedKey(settings, present, key);
  const postgres = decision.situation.observed.find((one) => one.service === "postgres");
  const changesPostgres = decision.changes.some(
    (one) => one.service === "postgres" && one.action === "recreate",
  );
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
  if (database !== undefined) {
    await refuseWrongPassword(settings, postgres?.id, tools);
    if (decision.schema.action !== "none") await refuseSmallDisk(directory, database, tools);
  }
  const images = target.prepared.stack.services.map((one) =>
    target.images.idByReference.get(one.image)!,
  );
  const unproven = kind === "deploy" ? refuseUnproven(settings, images) : undefined;
  const lines = await describePlan(target, decision, present, directory);
  const what = kind === "deploy" ? "Deploy this" : "Roll back to this";
  const shown = unproven === undefined ? lines : [...lines, `note: ${unproven}`];
  // In an incident nobody is asked about what was proven to lose nothing.
  if (kind === "rollback" && isProven(decision)) shown.forEach((line) => tools.say.note(line));
  else await tools.say.confirm(`${what} in ${settings.environment}?`, shown);
  if (database !== undefined) await clearScratch(database);
  const done = await carryOut(
    {
      kind,
      id: making.id,
      settings,
      target,
      situation: decision.situation,
      schema: decision.schema,
      former: await actorOf(settings, present, making, tools),
      knower: await actorOf(settings, decision.knower, making, tools),
      fromDump: parts.fromDump ?? [],
      incident: kind === "rollback",
    },
    begun,
  );
  await prune(settings, directory, tools);
  const { release, checks, changes, awaySeconds, rehearsal, way } = done;
  return { ...outcome, release: release.id, way, checks, changes, awaySeconds, rehearsal };
}

function isProven({ schema }: Decision): boolean {
  if (schema.action === "none") return true;
  return schema.ways.some((one) => one.way === schema.action && one.state === "proven");
}

/** A past release's server as it was; undefined where it cannot be had any more. */
async function actorOf(
  settings: Settings,
  release: Release | undefined,
  making: Making,
  tools: Tools,
): Promise<(Actor & { readonly imageId: string }) | undefined> {
  if (release === undefined) return undefined;
  try {
    const past = await pastTarget(settings, release, making, tools);
    const reference = past.images.bySetting.get("LETTA_IMAGE")!;
    return {
      stack: past.prepared.stack,
      settings: past.settings,
      imageId: past.images.idByReference.get(reference)!,
    };
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
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
