import { join } from "node:path";
import type { Check } from "../checks/verify.ts";
import { Problem } from "../common/problem.ts";
import { revision, sameRevisions } from "../database/revisions.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isMap, type ValueMap } from "../stack/mergeSources.ts";
import { labels } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { newestGood } from "../state/releases.ts";
import { keyedDigest, readKey } from "../state/secretKey.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import { databaseOf } from "./databaseOf.ts";
import { planChanges } from "./planChanges.ts";
import { pastTarget, type Target } from "./target.ts";
import { verifyRelease } from "./verifyRelease.ts";

/**
 * Verifies what runs and compares it with the last good release.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE, IMAGE_UNAVAILABLE
 */
export async function verifyStack(
  settings: Settings,
  context: Context,
): Promise<{ release: string; checks: Check[]; drift: Drift[] }> {
  const { environment } = settings;
  const release = newestGood(join(settings.stateDir, environment));
  const observed = await context.engine.containers(settings.project);
  if (release === undefined || observed.length === 0) {
    throw new Problem("NOTHING_RUNS", `nothing of ${environment} runs`, {
      next: bringUpCommand(environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, environment);
  const secretKey = readKey(directory);
  const making = { id: release.id, directory, observed, secretKey, keeps: true };
  // Its own text and not the one it brought back: a rollback may have left the migration out.
  const target = await pastTarget(settings, { ...release, restores: release.id }, making, context);
  const [checks, drift] = await Promise.all([
    verifyRelease(target.settings, target.prepared, directory, context, "whole"),
    observeDrift(release, target, secretKey, context),
  ]);
  return { release: release.id, checks, drift };
}

/** A part that is not as its release says. */
interface Drift {
  readonly service: string;
  readonly causes: readonly string[];
}

/**
 * What differs between a release and what runs: containers, images, what they were made
 * with, the files copied into them, services of no release, the schema. Reads only.
 * @param target the release as it was stored
 * @param key of the digests; without it what containers were made with is not compared
 */
async function observeDrift(
  release: Release,
  target: Target,
  key: Buffer | undefined,
  context: Context,
): Promise<Drift[]> {
  const { stack } = target.prepared;
  const all = await context.engine.containers(stack.project);
  const foreign = all.filter((one) => one.labels[labels.role] === undefined);
  const observed = all.filter((one) => !foreign.includes(one));
  const changes = planChanges(stack, observed, target.images.idByReference, "idle");
  const found: Drift[] = [
    ...changes.filter((one) => one.action !== "none"),
    ...foreign.map((one) => ({
      service: one.name,
      causes: ["a foreign container, under this project's name"],
    })),
  ].map(({ service, causes }) => ({ service, causes }));
  const untouched = observed.filter((one) => !found.some((drift) => drift.service === one.service));
  const [made, files, schema] = await Promise.all([
    Promise.all(untouched.map((one) => madeOtherwise(one, release, key, context))),
    Promise.all(untouched.map((one) => changedFiles(one, target, context))),
    otherSchema(release, target, observed, context),
  ]);
  return [...found, ...made.flat(), ...files.flat(), ...schema];
}

async function madeOtherwise(
  container: ObservedContainer,
  release: Release,
  key: Buffer | undefined,
  context: Context,
): Promise<Drift[]> {
  const before = release.services[container.service]?.made;
  if (key === undefined || !before) return [];
  const { made } = await context.engine.inspect(container.id);
  if (keyedDigest(key, made) === before) return [];
  return [
    {
      service: container.service,
      causes: ["its container was made or updated by something else than this release"],
    },
  ];
}

/** Configuration that Compose copied in, compared byte for byte where it can be read. */
async function changedFiles(
  container: ObservedContainer,
  { prepared }: Target,
  context: Context,
): Promise<Drift[]> {
  const { model } = prepared.stack;
  const service = (model["services"] as ValueMap)[container.service];
  const mounted = isMap(service) && Array.isArray(service["configs"]) ? service["configs"] : [];
  if (container.state !== "running") return [];
  const reload = prepared.stack.services.find((one) => one.name === container.service)?.reload;
  const read = reload ? [{ source: reload.config, target: reload.file }] : [];
  const causes: string[] = [];
  for (const mount of [...mounted, ...read]) {
    if (!isMap(mount)) continue;
    const definition = (model["configs"] as ValueMap)[String(mount["source"])];
    const requested = isMap(definition) ? String(definition["content"]).replaceAll("$$", "$") : "";
    const path = String(mount["target"]);
    const { code, stdout } = await context.engine.exec(container.id, readFile(service, path));
    if (code === 0 && stdout !== requested && !requested.includes("${"))
      causes.push(`${path} differs`);
  }
  return causes.length === 0 ? [] : [{ service: container.service, causes }];
}

/** The probe's busybox where the service mounts it; parts with a shell have their own cat. */
function readFile(service: unknown, path: string): string[] {
  const hasProbe = JSON.stringify(service).includes(":/probe");
  return hasProbe ? ["/probe/busybox", "cat", path] : ["cat", path];
}

async function otherSchema(
  release: Release,
  { settings, prepared, images }: Target,
  observed: readonly ObservedContainer[],
  context: Context,
): Promise<Drift[]> {
  const postgres = observed.find((one) => one.service === "postgres");
  const runs = settings.has("LETTA_PG_URI") || postgres?.state === "running";
  if (!runs || release.revision.length === 0) return [];
  const image = images.bySetting.get("POSTGRES_IMAGE")!;
  const server = databaseOf(settings, { container: postgres?.id, image }, context);
  const at = await revision(server.database(), prepared.stack.server.revisionQuery);
  if (sameRevisions(at, release.revision)) return [];
  const expected = release.revision.join(", ");
  return [
    {
      service: "database",
      causes: [`expected the schema at ${expected}, got ${at.join(", ") || "none"}`],
    },
  ];
}
