import { assertAllows, type Lack, type Need } from "../database/judgeDatabase.ts";
import type { History } from "../database/history.ts";
import { headsOf } from "../database/history.ts";
import { sameRevisions } from "../database/sameRevisions.ts";
import { releasesNewestFirst, type Release } from "../ledger/releases.ts";
import { judgeExternalDatabase } from "../parts/judgeExternalDatabase.ts";
import { planChanges, type Change } from "../parts/planChanges.ts";
import type { Tools } from "../parts/tools.ts";
import { labelParts } from "../preparation/prepareStack.ts";
import type { Making, Target } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import type { AskedWay } from "./askableWays.ts";
import { imageHistory } from "./imageHistory.ts";
import { planSchema, type SchemaPlan } from "./planSchema.ts";
import { situation, type Situation } from "./situation.ts";
import { newestBackupAt } from "./tryWays.ts";

/** What would be done, and why. */
export interface Decision {
  readonly situation: Situation;
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
  readonly knower: Release | undefined;
}

/**
 * Looks, and decides: the schema's fate first, then what happens to each part. Reads only.
 * @param settings those of now
 * @throws Problem FOREIGN_CONTAINERS, DATABASE_REFUSED, IMAGE_UNAVAILABLE
 */
export async function decide(
  settings: Settings,
  target: Target,
  making: Making,
  asked: { readonly kind: "deploy" | "rollback"; readonly way?: AskedWay | undefined },
  tools: Tools,
): Promise<Decision> {
  const { directory } = making;
  const { stack } = target.prepared;
  const reference = target.images.bySetting.get("LETTA_IMAGE")!;
  const image = target.images.idByReference.get(reference);
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  const judged = await judgeExternalDatabase(settings, postgres, tools);
  const { mayCopy, mayRestore } = judged;
  // A rollback is the cure of an incident: what only the next deploy needs does not keep it.
  const needs: readonly Need[] = asked.kind === "deploy" ? ["deploy", "write"] : ["write"];
  assertAllows(judged, needs);
  const [seen, history] = await Promise.all([
    situation(settings, directory, stack.server, postgres, tools),
    // An image that is not here yet tells nothing.
    image === undefined ? [] : imageHistory(image, stack.server, making, tools),
  ]);
  const revision = seen.revision;
  const isAtHead = revision !== undefined && sameRevisions(revision, headsOf(history));
  const knower = isAtHead || revision === undefined ? undefined : knowerOf(directory, revision);
  const schema = planSchema({
    revision,
    unmarked: seen.unmarked,
    image: image ?? "",
    target: history,
    present: isAtHead ? history : await historyOf(knower, stack.server, making, tools),
    proofs: isAtHead ? [] : proofsOf(directory),
    mayRestore,
    backup: isAtHead ? undefined : newestBackupAt(directory, headsOf(history)),
    asked: asked.way,
  });
  const parts = { release: making.id, observed: seen.observed, secretKey: making.secretKey };
  const planned =
    schema.action === "keep" ? withoutMigration(stack, labelParts(target.settings, parts)) : stack;
  const migration = schema.action === "migrate" ? "due" : "idle";
  const changes = planChanges(planned, seen.observed, target.images.idByReference, migration);
  return {
    situation: seen,
    schema,
    changes,
    knower,
    limits: assertAllows(judged, [...needs, ...schemaNeeds(schema)]),
    mayCopy,
    mayRestore,
    separatesRoles: separates(target, seen, schema),
  };
}

/** What a schema's plan needs of an external database, as `makeReady` carries it out. Pure. */
export function schemaNeeds({
  action,
  revision = [],
  migrations,
  ways,
  attempts,
}: Pick<SchemaPlan, "action" | "revision" | "migrations" | "ways" | "attempts">): Need[] {
  if (action === "none" || action === "refuse") return [];
  if (action === "migrate") {
    return revision.length > 0 && migrations.length > 0 ? ["migrate", "dump"] : ["migrate"];
  }
  const isProven = ways.some((one) => one.way === action && one.state === "proven");
  // A carry reads the backup that exists.
  return isProven || attempts.every((one) => one === "carry") ? [] : ["dump"];
}

/** Only a deploy that can try it on a copy first; a rollback takes no right away from anyone. */
function separates({ restores }: Target, { roles, revision }: Situation, { action }: SchemaPlan) {
  const isTried = action === "none" || action === "migrate";
  return restores === null && isTried && (revision ?? []).length > 0 && roles?.kind === "superuser";
}

/**
 * The newest release whose image leads to this revision: a good one, or one that failed after
 * its migration had gone through.
 */
function knowerOf(directory: string, revision: readonly string[]): Release | undefined {
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
  making: Making,
  tools: Tools,
): Promise<History> {
  const image = release?.services[server.service]?.imageId;
  if (image === undefined || (await tools.engine.image(image)) === undefined) return [];
  return imageHistory(image, server, making, tools);
}

/** How many releases back a proof is looked for. */
const proofsLookAt = 50;

function proofsOf(directory: string): Release["proofs"] {
  const found: Release["proofs"][number][] = [];
  let looked = 0;
  for (const release of releasesNewestFirst(directory)) {
    found.push(...release.proofs);
    if ((looked += 1) === proofsLookAt) break;
  }
  return found;
}
