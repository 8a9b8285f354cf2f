import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import { pastSettings } from "../settings/pastSettings.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isSettingName, settingDefinitions } from "../settings/settingDefinitions.ts";
import { isMap, type ValueMap } from "../stack/mergeSources.ts";
import type { StackService } from "../stack/readServices.ts";
import { readStack } from "../stack/readStack.ts";
import { labels, labelStack, type Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { readRelease, readReleaseFile } from "../state/releases.ts";
import { chooseImages, type Images, obtainImages, pinned } from "./obtainImages.ts";
import { imageSettings, labelParts, type PreparedStack, prepareStack } from "./prepareStack.ts";

/** What is to serve: one unit of settings, stack, configuration and images. */
export interface Target {
  readonly settings: Settings;
  readonly prepared: PreparedStack;
  readonly images: Images;
  /** The release whose content this is; null for one that is new. */
  readonly restores: string | null;
}

/** What a target is made under: its id, what runs now, and the key of the secrets' digests. */
export interface Preparation {
  readonly id: string;
  readonly directory: string;
  readonly observed: readonly ObservedContainer[];
  readonly secretKey: Buffer | undefined;
  /** Whether what is learnt on the way may be written down; a plan writes nothing. */
  readonly keeps: boolean;
}

const present = ({ id, observed, secretKey }: Preparation) => ({
  release: id,
  observed,
  secretKey,
});

/**
 * What the settings of now ask for, by image ids.
 * @param obtain whether what is missing is pulled or built; otherwise it is only named
 * @throws Problem IMAGE_UNAVAILABLE, BUILD_FAILED, SOURCE_INVALID
 */
export async function newTarget(
  settings: Settings,
  preparation: Preparation,
  obtain: boolean,
  context: Context,
): Promise<Target> {
  const needed = [...imageSettings(settings), "POSTGRES_IMAGE"];
  const get = obtain ? obtainImages : chooseImages;
  const images = pinned(await get(settings, needed, context));
  const prepared = prepareStack(settings, {
    ...present(preparation),
    images: images.bySetting,
    cpus: await context.engine.cpus(),
  });
  return { settings, prepared, images, restores: null };
}

/**
 * A past release as it was, under the secrets of now. Nothing is pulled or built for it.
 * @throws Problem IMAGE_UNAVAILABLE where an image of it has gone, SOURCE_INVALID
 */
export async function pastTarget(
  now: Settings,
  release: Release,
  preparation: Preparation,
  context: Context,
): Promise<Target> {
  const origin = release.restores ?? release.id;
  const file = (name: "compose.yaml" | "collector.yaml" | "settings.env") => {
    const text = readReleaseFile(preparation.directory, origin, name);
    if (text !== undefined) return text;
    throw new Problem("STATE_UNUSABLE", `release ${origin} has lost its ${name}`, {
      next: `npm run releases -- ${now.environment}`,
    });
  };
  const settings = pastSettings(now, file("settings.env"), `release ${origin}`);
  const path = join(preparation.directory, "releases", origin, "compose.yaml");
  const stack = readStack(file("compose.yaml"), path, labelParts(settings, present(preparation)));
  assertComplete(stack, origin, release, preparation.directory, context);
  assertSamePlace(stack, settings, origin);
  const missing: GoneImage[] = [];
  const idByReference = new Map<string, string>();
  for (const service of stack.services) {
    const found = await context.engine.image(service.image);
    if (found === undefined) missing.push(goneImage(service, release));
    else idByReference.set(service.image, found.id).set(found.id, found.id);
  }
  if (missing.length > 0) {
    throw new Problem("IMAGE_UNAVAILABLE", `images of release ${origin} are not on the engine`, {
      details: missing.map((one) => one.text),
      next:
        missing.find((one) => one.pull !== undefined)?.pull ??
        `npm run releases -- ${now.environment}`,
    });
  }
  const imageOf = (service: string) => stack.services.find((one) => one.name === service)?.image;
  const postgres = imageOf("postgres") ?? (await postgresImage(now, context));
  const bySetting = new Map([
    ["POSTGRES_IMAGE", postgres],
    ["COLLECTOR_IMAGE", imageOf("collector") ?? ""],
    ["LETTA_IMAGE", imageOf(stack.server.service) ?? ""],
  ]);
  const collector = file("collector.yaml");
  const prepared = { stack, collector };
  const known = new Map(
    Object.values(release.services).map(({ imageId, name, repoDigest }) => [
      imageId,
      { name: name ?? imageId, repoDigest: repoDigest ?? null },
    ]),
  );
  return { settings, prepared, images: { bySetting, idByReference, known }, restores: origin };
}

interface GoneImage {
  readonly text: string;
  /** The command that brings it back; undefined where it came from no registry. */
  readonly pull: string | undefined;
}

function goneImage({ name, image }: StackService, release: Release): GoneImage {
  const { repoDigest } = release.services[name] ?? {};
  const pull = repoDigest ? `docker pull ${repoDigest}` : undefined;
  return { text: `${name}: ${image}: ${pull ?? "built here; expected on this engine"}`, pull };
}

/** Whether the file is what was recorded: no part of it lost, none changed without a word. */
function assertComplete(
  stack: Stack,
  origin: string,
  release: Release,
  directory: string,
  context: Context,
): void {
  const manifest = origin === release.id ? release : readRelease(directory, origin);
  if ("why" in manifest || Object.keys(manifest.services).length === 0) return;
  const here = new Map(stack.services.map((one) => [one.name, one.labels[labels.digest]]));
  const lost = Object.keys(manifest.services).filter((name) => !here.has(name));
  if (lost.length > 0) {
    throw new Problem(
      "STATE_UNUSABLE",
      `release ${origin}: compose.yaml has lost ${lost.join(", ")}`,
      {
        next: `npm run releases -- ${stack.environment}`,
      },
    );
  }
  const changed = Object.entries(manifest.services).filter(
    ([name, one]) => here.get(name) !== one.digest,
  );
  if (changed.length === 0) return;
  const names = changed.map(([name]) => name).join(", ");
  context.reporter.note(`release ${origin}: compose.yaml is not as it was recorded (${names})`);
}

/**
 * A release whose database is elsewhere than the present one is another stack.
 * @throws Problem ROLLBACK_UNSAFE
 */
function assertSamePlace(stack: Stack, settings: Settings, origin: string): void {
  const isBundled = stack.services.some((one) => one.name === "postgres");
  if (isBundled !== settings.has("LETTA_PG_URI")) return;
  const [then, now] = isBundled ? ["bundled", "outside"] : ["outside", "bundled"];
  throw new Problem(
    "ROLLBACK_UNSAFE",
    `the database of release ${origin} was ${then}, the present one is ${now}`,
    { next: "change LETTA_PG_URI with the release, and move the data by hand" },
  );
}

/** For asking a database outside; the stack itself has none. */
async function postgresImage(settings: Settings, context: Context): Promise<string> {
  const images = await chooseImages(settings, ["POSTGRES_IMAGE"], context);
  return images.bySetting.get("POSTGRES_IMAGE")!;
}

/**
 * The settings and configuration of a past release with the images of the present one: the
 * rollback of a configuration.
 */
export function configurationTarget(
  past: Target,
  present: Target,
  preparation: Preparation,
): Target {
  const model = structuredClone(past.prepared.stack.model);
  const now = present.prepared.stack.model["services"] as ValueMap;
  for (const [name, service] of Object.entries(model["services"] as ValueMap)) {
    const same = now[name];
    if (isMap(service) && isMap(same) && same["image"] !== undefined)
      service["image"] = same["image"];
  }
  const settings = withImagesOf(past.settings, present.settings);
  const { id, observed, secretKey } = preparation;
  const stack = labelStack(model, labelParts(settings, { release: id, observed, secretKey }));
  return {
    settings,
    prepared: { ...past.prepared, stack },
    images: {
      ...present.images,
      // A part that only the past release has keeps its own image.
      idByReference: new Map([...past.images.idByReference, ...present.images.idByReference]),
    },
    restores: null,
  };
}

function withImagesOf(past: Settings, present: Settings): Settings {
  // What says which images there are goes with them.
  const isOfImages = (name: string) =>
    isSettingName(name) && settingDefinitions[name].image === true;
  const of = (name: string) => (isOfImages(name) ? present : past);
  return {
    ...past,
    get: (name) => of(name).get(name),
    has: (name) => of(name).has(name),
    origin: (name) => of(name).origin(name),
    layers: (name) => of(name).layers(name),
    lookup: (name) => of(name).lookup(name),
    entries: () => [
      ...past.entries().filter((one) => !isOfImages(one.name)),
      ...present.entries().filter((one) => isOfImages(one.name)),
    ],
  };
}
