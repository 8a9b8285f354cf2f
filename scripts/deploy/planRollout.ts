import { join } from "node:path";
import { describeEngine } from "../docker/endpoint.ts";
import type { ImageChoice } from "../docker/recipes.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { nextReleaseId } from "../state/releases.ts";
import { readKey } from "../state/secretKey.ts";
import { needsDatabaseAlone, observeSessions, type SessionsNow } from "./askEndSessions.ts";
import { refuseOtherDatabase, refuseOtherPlace } from "./assertSamePlace.ts";
import {
  checkServer,
  type Condition,
  describeServer,
  observeServer,
  type ServerNow,
} from "./checkServer.ts";
import type { DeployStrategy } from "./chooseStrategy.ts";
import { decide, type Decision, plannedStrategy } from "./decide.ts";
import { describePlan } from "./describePlan.ts";
import { chooseImages } from "./obtainImages.ts";
import { imageSettings } from "./prepareStack.ts";
import { type RollbackInput, rollbackTarget } from "./rollback.ts";
import { newTarget, type Target } from "./target.ts";

export interface RolloutPlan {
  readonly target: Target;
  readonly decision: Decision;
  /** For people. */
  readonly lines: readonly string[];
  /** Where the images of a deploy would come from; none for a rollback. */
  readonly images: readonly ImageChoice[];
  readonly strategy: DeployStrategy;
}

/**
 * What a deploy, or this rollback, would do now. Nothing is written, built or pulled.
 * @throws Problem ENGINE_UNREACHABLE, RELEASE_UNKNOWN, IMAGE_UNAVAILABLE
 */
export async function planRollout(
  settings: Settings,
  rollback: Pick<RollbackInput, "requested" | "databaseStrategy" | "onlyConfiguration"> | undefined,
  context: Context,
): Promise<RolloutPlan> {
  const directory = join(settings.stateDir, settings.environment);
  if (rollback === undefined) refuseOtherPlace(settings, directory);
  const preparation = {
    id: nextReleaseId(directory),
    directory,
    observed: await context.engine.containers(settings.project),
    secretKey: readKey(directory),
    keeps: false,
  };
  const target =
    rollback === undefined
      ? await newTarget(settings, preparation, false, context)
      : await rollbackTarget(settings, rollback, preparation, context);
  const images =
    rollback === undefined
      ? (await chooseImages(settings, imageSettings(settings), context)).choices
      : [];
  const kind = rollback === undefined ? "deploy" : "rollback";
  const decision = await decide(
    settings,
    target,
    preparation,
    { kind, databaseStrategy: rollback?.databaseStrategy },
    context,
  );
  const { present, isMarked = false } = decision.currentState;
  if (rollback === undefined)
    refuseOtherDatabase(settings, present, preparation.secretKey, isMarked);
  return {
    target,
    decision,
    lines: [
      describeEngine(context.engine),
      ...(await describePlan(target, decision, present, directory)),
      ...images
        .filter((one) => one.source !== "present")
        .map((one) => `${one.source} ${one.reference}: ${one.cause}`),
    ],
    images,
    strategy: plannedStrategy(target, decision).strategy,
  };
}

/** What the run will look at before it touches anything, as it is now. */
export interface Preflight {
  /** null where no server runs, or one still boots. */
  readonly server: (ServerNow & Pick<Condition, "state" | "lines">) | null;
  /** Sessions of others; null where the run does not need the database alone. */
  readonly sessions: SessionsNow | null;
  /** The flags that answer what the run would ask. */
  readonly flags: readonly ("--end-sessions" | "--despite-failures")[];
  /** Whether the run would end with exit 3 as things are. */
  readonly refused: boolean;
}

/**
 * Measures what `runPipeline` measures before it touches anything: how the server does, and who else is
 * on the database. Reads only.
 * @throws Problem DATABASE_REFUSED where the database does not tell its sessions
 */
export async function planPreflight(
  settings: Settings,
  { target, decision }: RolloutPlan,
  kind: "deploy" | "rollback",
  context: Context,
): Promise<Preflight> {
  const { database, observed, present } = decision.currentState;
  if (database === undefined) return { server: null, sessions: null, flags: [], refused: false };
  const { stack } = target.prepared;
  const now = await observeServer({ settings, stack, observed, database, present }, context);
  const server = now === undefined ? null : { ...now, ...checkServer(now) };
  const sessions = needsDatabaseAlone(decision)
    ? await observeSessions(database, stack, context)
    : null;
  const isChange =
    decision.schema.action !== "none" || decision.changes.some((one) => one.action !== "none");
  const asksForServer = kind === "deploy" && isChange && server?.state === "failing";
  return {
    server,
    sessions,
    flags: [
      ...((sessions?.others.length ?? 0) > 0 ? (["--end-sessions"] as const) : []),
      ...(asksForServer ? (["--despite-failures"] as const) : []),
    ],
    refused: (sessions?.blockers.length ?? 0) > 0,
  };
}

/** The same for people; no line where there is nothing to look at. Pure. */
export function describePreflight({ server, sessions, flags }: Preflight): string[] {
  const answered = (flag: Preflight["flags"][number]) =>
    flags.includes(flag) ? [`  asks whether to continue; ${flag} answers`] : [];
  const { others = [], blockers = [] } = sessions ?? {};
  return [
    ...(server === null ? [] : [`server now: ${server.state}; ${describeServer(server)}`]),
    ...(server?.lines ?? []).map((line) => `  ${line}`),
    ...answered("--despite-failures"),
    ...(others.length === 0 ? [] : [`sessions of others on the database: ${others.length}`]),
    ...others.map((line) => `  ${line}`),
    ...answered("--end-sessions"),
    ...(blockers.length === 0 ? [] : ["refused as long as these use the database:"]),
    ...blockers.map((line) => `  ${line}`),
  ];
}
