import {
  chmodSync,
  closeSync,
  createWriteStream,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { Problem } from "../../common/problem.ts";
import { chooseImages, obtainImages } from "../../deploy/obtainImages.ts";
import {
  binaryPlatform,
  collectorBinary,
  collectorRelease,
  type CollectorRelease,
  extractBinary,
  headerLength,
  listedChecksum,
  type Platform,
} from "../../docker/collectorBinary.ts";
import { contentTag } from "../../docker/contentTag.ts";
import { downloadFile, type DownloadOptions } from "../../docker/downloadFile.ts";
import { officialReference, recipes } from "../../docker/recipes.ts";
import { runProgram } from "../../docker/superviseProgram.ts";
import type { Settings } from "../../settings/readSettings.ts";
import type { Context } from "../../state/context.ts";
import {
  installedCollector,
  type InstalledCollector,
  recordCollector,
  sha256Of,
} from "../../state/installedCollector.ts";

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
    (outcome) => ("why" in outcome ? "not available" : "checksum matches"),
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
    await context.reporter.confirm(
      "Pull or build the collector's image and copy the program out of it?",
      [`pull or build the image of the collector ${version} (a build takes some minutes)`],
    );
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

/** In bytes, far above what a collector has: what is larger is something else. */
const limits = {
  list: 1024 * 1024,
  archive: 512 * 1024 * 1024,
  binary: 1536 * 1024 * 1024,
} as const;

/** What a download is made with, and what tells how far it is. */
interface DownloadParts extends Omit<DownloadOptions, "limit" | "report"> {
  readonly report: (text: string) => void;
}

/**
 * Downloads a release and takes the collector out of it. The archive is opened only when its
 * checksum is the one that the release lists.
 * @param staging an empty folder of ours
 * @returns the program's path; or why the address has nothing to give
 * @throws Problem IMAGE_UNAVAILABLE where it gave something else than the release
 */
async function downloadCollector(
  release: CollectorRelease,
  staging: string,
  parts: DownloadParts,
): Promise<{ readonly path: string } | { readonly why: string }> {
  const { report, ...options } = parts;
  const list = await firstOf(release.checksums, join(staging, "checksums"), options);
  if ("why" in list) return list;
  const expected = listedChecksum(list.text, release.archive);
  if (expected === undefined) {
    throw refused(`${list.url}: expected a checksum of ${release.archive}, got none`);
  }
  const archive = join(staging, "archive");
  const fetched = await downloadFile(release.url, archive, {
    ...options,
    limit: limits.archive,
    report: (bytes, all) => report(`${megabytes(bytes)}${all ? ` of ${megabytes(all)}` : ""} MB`),
  });
  if (fetched.outcome !== "fetched") return { why: fetched.why };
  if (fetched.sha256 !== expected) {
    throw refused(`${release.url}: expected SHA-256 ${expected}, got ${fetched.sha256}`);
  }
  const path = join(staging, collectorBinary);
  await extractBinary(archive, collectorBinary, path, limits.binary);
  return { path };
}

async function firstOf(
  addresses: readonly string[],
  path: string,
  options: Omit<DownloadOptions, "limit">,
): Promise<{ readonly url: string; readonly text: string } | { readonly why: string }> {
  let why = "";
  for (const url of addresses) {
    const fetched = await downloadFile(url, path, { ...options, limit: limits.list });
    if (fetched.outcome === "fetched") {
      const text = readFileSync(path, "utf8");
      rmSync(path);
      return { url, text };
    }
    why ||= fetched.why;
    if (fetched.outcome === "unreachable") return { why: fetched.why };
  }
  return { why };
}

const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(0);

function refused(message: string): Problem {
  return new Problem("IMAGE_UNAVAILABLE", message, {
    details: ["it was neither opened nor executed"],
    next: "the same command again; if it stays so, set OTEL_RELEASE_URL to another address",
  });
}

/** Where a program came from; its bytes have been verified, but for what they are. */
interface Staged {
  readonly path: string;
  readonly version: string;
  readonly source: string;
}

const versionPatienceMs = 20_000;

/**
 * Installs a program whose bytes are those that were asked for: only one for this machine is
 * executed at all, and only one that then tells the right version becomes the installed one.
 * @param folder where collectors are installed
 * @throws Problem IMAGE_UNAVAILABLE; what was installed before stays
 */
async function installCollector(
  folder: string,
  staged: Staged,
  platform: Platform,
  signal: AbortSignal,
): Promise<InstalledCollector> {
  const { path, version, source } = staged;
  const requested = `${platform.os} ${platform.arch}`;
  const found = binaryPlatform(headerOf(path));
  if (found !== requested) {
    throw badBinary(`${source}: expected a program for ${requested}, got ${found}`);
  }
  chmodSync(path, 0o700);
  sync(path);
  const sha256 = await sha256Of(path);
  signal.throwIfAborted();
  const input = await runProgram(path, ["--version"], {
    environment: {},
    timeoutMs: versionPatienceMs,
    signal,
  });
  const reported = /\bversion v?(\S+)/.exec(input.stdout)?.[1];
  if (reported !== version) {
    const got = reported ?? `exit ${input.code}: ${input.stderr.trim().split("\n").at(-1)}`;
    throw badBinary(`${source}: expected version ${version}, got ${got}`);
  }
  return recordCollector(folder, path, { version, sha256, source });
}

function headerOf(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const header = Buffer.alloc(headerLength);
    return header.subarray(0, readSync(file, header, 0, headerLength, 0));
  } finally {
    closeSync(file);
  }
}

function sync(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function badBinary(message: string): Problem {
  return new Problem("IMAGE_UNAVAILABLE", message, {
    details: ["it was not installed"],
    next: "set OTEL_RELEASE_URL and OTEL_VERSION to a release that fits this machine",
  });
}
