import { createWriteStream, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../common/problem.ts";
import { extractBinary } from "../../docker/extractBinary.ts";
import type { Platform } from "../../docker/collectorPlatform.ts";
import { collectorBinary, collectorRelease } from "../../docker/collectorRelease.ts";
import { contentTag } from "../../docker/contentTag.ts";
import { officialReference } from "../../docker/officialReference.ts";
import { recipes } from "../../docker/recipes.ts";
import { installedCollector, type InstalledCollector } from "../../state/installedCollector.ts";
import type { Context } from "../../state/context.ts";
import { chooseImages } from "../../deploy/chooseImages.ts";
import { obtainImages } from "../../deploy/obtainImages.ts";
import type { Settings } from "../../settings/readSettings.ts";
import { downloadCollector, limits } from "./downloadCollector.ts";
import { installCollector } from "./installCollector.ts";

/** How long a release address may be silent, in milliseconds. */
const patienceMs = 30_000;

/**
 * Has the collector of OTEL_VERSION as a program of this machine: the installed one, else the
 * release, else, where the release address is out of reach, the one in the collector's image.
 * @param folder where collectors are installed; the caller holds its lock
 * @throws Problem IMAGE_UNAVAILABLE, BUILD_FAILED, CONFIRMATION_NEEDED, DECLINED; what was
 *   installed before stays
 */
export async function obtainCollector(
  settings: Settings,
  platform: Platform,
  folder: string,
  context: Context,
): Promise<InstalledCollector> {
  const version = settings.get("OTEL_VERSION");
  const present = await installedCollector(folder, version);
  if (present && isRequested(present, settings)) return present;
  const staging = join(folder, "staging");
  rmSync(staging, { recursive: true, force: true }); // what a killed run left
  mkdirSync(staging, { mode: 0o700 });
  try {
    const staged =
      (await fromRelease(settings, platform, staging, context)) ??
      (await fromImage(settings, platform, staging, context));
    return await context.reporter.step(
      `install ${collectorBinary} ${version}`,
      () => installCollector(folder, { ...staged, version }, platform, context.signal),
      ({ sha256 }) => `SHA-256 ${sha256.slice(0, 12)}…`,
    );
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** A release has every part in it; an image built here has those that its tag stands for. */
function isRequested({ source }: InstalledCollector, settings: Settings): boolean {
  if (source.startsWith("http")) return true;
  const recipe = recipes(settings.environment, settings.lookup).find(isCollector)!;
  const official = officialReference(settings.get("COLLECTOR_IMAGE"), recipe.officialVersion);
  return [official, contentTag(settings.root, recipe)].includes(source);
}

const isCollector = ({ role }: { readonly role: string }) => role === "collector";

interface Origin {
  readonly path: string;
  readonly source: string;
}

/** @returns undefined where the address is out of reach, which was reported then */
async function fromRelease(
  settings: Settings,
  platform: Platform,
  staging: string,
  context: Context,
): Promise<Origin | undefined> {
  const base = settings.get("OTEL_RELEASE_URL");
  if (base === "") return undefined;
  const release = collectorRelease(base, settings.get("OTEL_VERSION"), platform);
  const { processEnvironment: environment, signal } = context;
  const got = await context.reporter.step(
    `download ${release.archive}`,
    (report) => downloadCollector(release, staging, { environment, signal, patienceMs, report }),
    (outcome) => ("why" in outcome ? "not to be had" : "its checksum is right"),
  );
  if ("path" in got) return { path: got.path, source: release.url };
  context.reporter.note(`the release cannot be downloaded here (${got.why})`);
  return undefined;
}

async function fromImage(
  settings: Settings,
  platform: Platform,
  staging: string,
  context: Context,
): Promise<Origin> {
  const version = settings.get("OTEL_VERSION");
  if (platform.os !== "linux") {
    throw unavailable(`no release of the collector ${version}, and images hold Linux programs`);
  }
  await context.engine.ping().catch((error: unknown) => {
    const why = (error as Error).message;
    throw unavailable(`no release of the collector ${version}, and no engine with its image`, why);
  });
  const { choices } = await chooseImages(settings, ["COLLECTOR_IMAGE"], context);
  const [choice] = choices;
  if (choice?.source !== "present") {
    await context.reporter.confirm("Take the collector out of its image, which is not here yet?", [
      `pull or build the image of the collector ${version} (a build takes some minutes)`,
    ]);
  }
  const { bySetting } = await obtainImages(settings, ["COLLECTOR_IMAGE"], context);
  const source = bySetting.get("COLLECTOR_IMAGE")!;
  const path = join(staging, collectorBinary);
  await context.reporter.step(`copy ${collectorBinary} out of ${source}`, async () => {
    const archive = join(staging, "copy");
    await context.engine.copyOut(source, `/${collectorBinary}`, createWriteStream(archive));
    await extractBinary(archive, collectorBinary, path, limits.binary);
  });
  return { path, source };
}

function unavailable(message: string, ...details: string[]): Problem {
  return new Problem("IMAGE_UNAVAILABLE", message, {
    details,
    next: "set OTEL_RELEASE_URL to an address that has the release, or npm run up:dev",
  });
}
