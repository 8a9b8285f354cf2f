import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import { readRelease, readReleaseFile, type Release } from "../ledger/releases.ts";
import type { Tools } from "../parts/tools.ts";
import { pastSettings } from "../settings/pastSettings.ts";
import type { Settings } from "../settings/readSettings.ts";
import { readStack } from "../stack/readStack.ts";
import { labels, type Stack } from "../stack/renderStack.ts";
import { chooseImages, type Images } from "./chooseImages.ts";
import { obtainImages } from "./obtainImages.ts";
import { pinned } from "./pinImages.ts";
import type { StackService } from "../stack/readServices.ts";
import { imageSettings, labelParts, prepareStack, type PreparedStack } from "./prepareStack.ts";

/** What is to serve: one unit of settings, stack, configuration and images. */
export interface Target {
  readonly settings: Settings;
  readonly prepared: PreparedStack;
  readonly images: Images;
  /** The release whose content this is; null for one that is new. */
  readonly restores: string | null;
}

/** What a target is made under: its id, what runs now, and the key of the secrets' digests. */
export interface Making {
  readonly id: string;
  readonly directory: string;
  readonly observed: readonly ObservedContainer[];
  readonly secretKey: Buffer | undefined;
  /** Whether what is learnt on the way may be written down; a plan writes nothing. */
  readonly keeps: boolean;
}

const present = ({ id, observed, secretKey }: Making) => ({ release: id, observed, secretKey });

/**
 * What the settings of now ask for, by image ids.
 * @param obtain whether what is missing is pulled or built; otherwise it is only named
 * @throws Problem IMAGE_UNAVAILABLE, BUILD_FAILED, SOURCE_INVALID
 */
export async function newTarget(
  settings: Settings,
  making: Making,
  obtain: boolean,
  tools: Tools,
): Promise<Target> {
  const needed = [...imageSettings(settings), "POSTGRES_IMAGE"];
  const get = obtain ? obtainImages : chooseImages;
  const images = pinned(await get(settings, needed, tools));
  const prepared = prepareStack(settings, {
    ...present(making),
    images: images.bySetting,
    cpus: await tools.engine.cpus(),
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
  making: Making,
  tools: Tools,
): Promise<Target> {
  const origin = release.restores ?? release.id;
  const file = (name: "compose.yaml" | "collector.yaml" | "settings.env") => {
    const text = readReleaseFile(making.directory, origin, name);
    if (text !== undefined) return text;
    throw new Problem("STATE_UNUSABLE", `release ${origin} has lost its ${name}`, {
      next: `npm run releases -- ${now.environment}`,
    });
  };
  const settings = pastSettings(now, file("settings.env"), `release ${origin}`);
  const path = join(making.directory, "releases", origin, "compose.yaml");
  const stack = readStack(file("compose.yaml"), path, labelParts(settings, present(making)));
  expectWhole(stack, origin, release, making.directory, tools);
  expectSamePlace(stack, settings, origin);
  const missing: GoneImage[] = [];
  const idByReference = new Map<string, string>();
  for (const service of stack.services) {
    const found = await tools.engine.image(service.image);
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
  const postgres = imageOf("postgres") ?? (await postgresImage(now, tools));
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
function expectWhole(
  stack: Stack,
  origin: string,
  release: Release,
  directory: string,
  tools: Tools,
): void {
  const sheet = origin === release.id ? release : readRelease(directory, origin);
  if ("why" in sheet || Object.keys(sheet.services).length === 0) return;
  const here = new Map(stack.services.map((one) => [one.name, one.labels[labels.digest]]));
  const lost = Object.keys(sheet.services).filter((name) => !here.has(name));
  if (lost.length > 0) {
    throw new Problem(
      "STATE_UNUSABLE",
      `release ${origin}: compose.yaml has lost ${lost.join(", ")}`,
      {
        next: `npm run releases -- ${stack.environment}`,
      },
    );
  }
  const changed = Object.entries(sheet.services).filter(
    ([name, one]) => here.get(name) !== one.digest,
  );
  if (changed.length === 0) return;
  const names = changed.map(([name]) => name).join(", ");
  tools.say.note(`release ${origin}: compose.yaml is not as it was recorded (${names})`);
}

/**
 * A release whose database is elsewhere than the present one is another stack.
 * @throws Problem ROLLBACK_UNSAFE
 */
function expectSamePlace(stack: Stack, settings: Settings, origin: string): void {
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
async function postgresImage(settings: Settings, tools: Tools): Promise<string> {
  const images = await chooseImages(settings, ["POSTGRES_IMAGE"], tools);
  return images.bySetting.get("POSTGRES_IMAGE")!;
}
