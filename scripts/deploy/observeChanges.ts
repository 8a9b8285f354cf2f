import { join } from "node:path";
import type { DeployStrategy } from "./chooseStrategy.ts";
import { revision } from "../database/revisions.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { ImageChoice } from "../docker/recipes.ts";
import { readReleases } from "../state/releases.ts";
import type { Release } from "../state/release.ts";
import { readKey } from "../state/secretKey.ts";
import { databaseOf } from "./databaseOf.ts";
import { planChanges, type Change } from "./planChanges.ts";
import type { Context } from "../state/context.ts";
import { chooseImages } from "./obtainImages.ts";
import { assertOwn } from "./preflight.ts";
import { imageSettings, prepareStack, type PreparedStack } from "./prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import { refuseOtherPlace } from "./assertSamePlace.ts";

/** What the plan means for the schema. */
export interface DatabasePlan {
  /** What the database says it is at; null where it does not run, or only a new container could ask. */
  readonly revision: string | null;
  /** What the server's image brings it to, known once that image has been up here. */
  readonly heads: readonly string[];
  readonly action: "none" | "migrate";
}

export interface Observation {
  readonly changes: readonly Change[];
  readonly images: readonly ImageChoice[];
  readonly prepared: PreparedStack;
  readonly database: DatabasePlan;
  readonly strategy: DeployStrategy;
}

/**
 * What differs between the stack as it is asked for and what the engine has. Reads only.
 * @throws Problem ENGINE_UNREACHABLE, FOREIGN_CONTAINERS
 */
export async function observeChanges(settings: Settings, context: Context): Promise<Observation> {
  const directory = join(settings.stateDir, settings.environment);
  refuseOtherPlace(settings, directory);
  const observed = await context.engine.containers(settings.project);
  assertOwn(settings.project, observed);
  const { choices, bySetting, idByReference } = await chooseImages(
    settings,
    imageSettings(settings),
    context,
  );
  const key = readKey(directory);
  const prepared = prepareStack(settings, {
    release: "000000",
    images: bySetting,
    cpus: await context.engine.cpus(),
    observed,
    ...(key === undefined ? {} : { secretKey: key }),
  });
  const changes = planChanges(prepared.stack, observed, idByReference);
  const image = idByReference.get(bySetting.get("LETTA_IMAGE") ?? "");
  const heads = knownHeads(readReleases(directory), image);
  const at = await presentRevision(settings, observed, prepared, context);
  const does = (service: string) =>
    changes.some((one) => one.service === service && one.action !== "none");
  return {
    changes,
    images: choices,
    prepared,
    database: {
      revision: at,
      heads,
      action: at !== null && heads.join(" ") === at ? "none" : "migrate",
    },
    strategy: observed.length > 0 && does(prepared.stack.server.service) ? "recreate" : "none",
  };
}

/** A good release's revision is what its server's image migrates to. */
function knownHeads(releases: readonly Release[], image: string | undefined): readonly string[] {
  const same = releases.find(
    (one) => one.outcome === "good" && one.services["server"]?.imageId === image,
  );
  return same?.revision ?? [];
}

async function presentRevision(
  settings: Settings,
  observed: readonly ObservedContainer[],
  { stack }: PreparedStack,
  context: Context,
): Promise<string | null> {
  const postgres = observed.find((one) => one.service === "postgres" && one.state === "running");
  if (postgres === undefined || settings.has("LETTA_PG_URI")) return null;
  const database = databaseOf(settings, { container: postgres.id, image: postgres.image }, context);
  return (await revision(database.database(), stack.server.revisionQuery)).join(" ");
}
