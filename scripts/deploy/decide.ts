import { assertAllows, type Lack, type Need } from "../database/assertDatabase.ts";
import { headsOf, type History, sameRevisions } from "../database/revisions.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { releasesNewestFirst } from "../state/releases.ts";
import { chooseStrategy, type StrategyPlan } from "./chooseStrategy.ts";
import { currentState, type CurrentState } from "./currentState.ts";
import { judgeExternalDatabase } from "./databaseOf.ts";
import { imageHistory, otherHeads } from "./imageHistory.ts";
import { type Change, planChanges } from "./planChanges.ts";
import { type DatabaseOption, planSchema, type SchemaPlan } from "./planSchema.ts";
import { labelParts } from "./prepareStack.ts";
import type { Preparation, Target } from "./target.ts";
import { newestBackupAt } from "../state/backups.ts";

/** What would be done, and why. */
export interface Decision {
  readonly currentState: CurrentState;
  readonly schema: SchemaPlan;
  readonly changes: readonly Change[];
  /** Whether the application's database role stops being a superuser. */
  readonly separatesRoles: boolean;
  /** What its database does not allow. */
  readonly limits: readonly Lack[];
  /** Whether databases can be made, copied and renamed. */
  readonly mayCopy: boolean;
  /** Whether a dump can be restored into a new database. */
  readonly mayRestore: boolean;
  /** The release whose image brought the database to where it is. */
  readonly revisionOwner: Release | undefined;
}

/**
 * Looks, and decides: the schema's fate first, then what happens to each service. Reads only.
 * @param settings those of now
 * @throws Problem FOREIGN_CONTAINERS, DATABASE_REFUSED, IMAGE_UNAVAILABLE
 */
export async function decide(
  settings: Settings,
  target: Target,
  preparation: Preparation,
  input: {
    readonly kind: "deploy" | "rollback";
    readonly databaseStrategy?: DatabaseOption | undefined;
  },
  context: Context,
): Promise<Decision> {
  const { directory } = preparation;
  const { stack } = target.prepared;
  const reference = target.images.bySetting.get("LETTA_IMAGE")!;
  const image = target.images.idByReference.get(reference);
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const judged = await judgeExternalDatabase(settings, postgres, context);
  const { mayCopy, mayRestore } = judged;
  // A rollback is the cure of an incident: what only the next deploy needs does not keep it.
  const needs: readonly Need[] = input.kind === "deploy" ? ["deploy", "write"] : ["write"];
  assertAllows(judged, needs);
  const [seen, history] = await Promise.all([
    currentState(settings, directory, stack.server, postgres, context),
    // An image that is not here yet tells nothing.
    image === undefined ? [] : imageHistory(image, stack.server, preparation, context),
  ]);
  const revision = seen.revision;
  const isAtHead = revision !== undefined && sameRevisions(revision, headsOf(history));
  const revisionOwner =
    isAtHead || revision === undefined ? undefined : revisionOwnerOf(directory, revision);
  const schema = planSchema({
    revision,
    unmarked: seen.unmarked,
    image: image ?? "",
    target: history,
    present: isAtHead
      ? history
      : await historyOf(revisionOwner, stack.server, preparation, context),
    verifications: isAtHead ? [] : verificationsOf(directory),
    mayRestore,
    backup: isAtHead ? undefined : newestBackupAt(directory, headsOf(history)),
    input: input.databaseStrategy,
  });
  const parts = {
    release: preparation.id,
    observed: seen.observed,
    secretKey: preparation.secretKey,
  };
  const planned =
    schema.action === "keep" ? withoutMigration(stack, labelParts(target.settings, parts)) : stack;
  const migration = schema.action === "migrate" ? "due" : "idle";
  const changes = planChanges(planned, seen.observed, target.images.idByReference, migration);
  return {
    currentState: seen,
    schema,
    changes,
    revisionOwner,
    limits: assertAllows(judged, [...needs, ...schemaNeeds(schema)]),
    mayCopy,
    mayRestore,
    separatesRoles: separates(target, seen, schema),
  };
}

/** What a schema's plan needs of an external database, as `prepareDeploy` carries it out. Pure. */
export function schemaNeeds({
  action,
  revision = [],
  migrations,
  strategies,
  attempts,
}: Pick<SchemaPlan, "action" | "revision" | "migrations" | "strategies" | "attempts">): Need[] {
  if (action === "none" || action === "refuse") return [];
  if (action === "migrate") {
    return revision.length > 0 && migrations.length > 0 ? ["migrate", "dump"] : ["migrate"];
  }
  const isVerified = strategies.some(
    (one) => one.databaseStrategy === action && one.state === "verified",
  );
  // A carry reads the backup that exists.
  return isVerified || attempts.every((one) => one === "copy") ? [] : ["dump"];
}

/** Only a deploy that can try it on a copy first; a rollback takes no right away from anyone. */
function separates(
  { restores }: Target,
  { roles, revision }: CurrentState,
  { action }: SchemaPlan,
) {
  const isTried = action === "none" || action === "migrate";
  return restores === null && isTried && (revision ?? []).length > 0 && roles?.kind === "superuser";
}

/**
 * The newest release whose image leads to this revision: a good one, or one that failed after
 * its migration had gone through.
 */
function revisionOwnerOf(directory: string, revision: readonly string[]): Release | undefined {
  let failed: Release | undefined;
  for (const release of releasesNewestFirst(directory)) {
    if (!sameRevisions(release.heads, revision)) continue;
    if (release.outcome === "good") return release;
    failed ??= release;
  }
  return failed;
}

async function historyOf(
  release: Release | undefined,
  server: Target["prepared"]["stack"]["server"],
  preparation: Preparation,
  context: Context,
): Promise<History> {
  const image = release?.services[server.service]?.imageId;
  if (image === undefined || (await context.engine.image(image)) === undefined) return [];
  return imageHistory(image, server, preparation, context);
}

/** How many releases back a verification is looked for. */
const verificationsNeed = 50;

function verificationsOf(directory: string): Release["verifications"] {
  const found: Release["verifications"][number][] = [];
  let looked = 0;
  for (const release of releasesNewestFirst(directory)) {
    found.push(...release.verifications);
    if ((looked += 1) === verificationsNeed) break;
  }
  return found;
}

/**
 * How the server would be replaced, as far as is known before the way was tried.
 * @param alongside what a rehearsal would have to show of a migration
 */
export function plannedStrategy(
  target: Target,
  decision: Pick<Decision, "currentState" | "changes" | "schema">,
  sideBySide = false,
): StrategyPlan {
  const { currentState, changes, schema } = decision;
  return chooseStrategy({
    stack: target.prepared.stack,
    changes,
    observed: currentState.observed,
    isOffline: schema.action !== "none",
    sideBySide: sideBySide && schema.action === "migrate",
    otherHeads: otherHeads(currentState.present, schema.heads),
    configured: target.settings.get("DEPLOY_STRATEGY"),
  });
}
