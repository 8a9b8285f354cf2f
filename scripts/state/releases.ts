import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { readAdopted } from "./adopted.ts";
import { parseRelease, releaseFormat, type Release, type ManifestFault } from "./release.ts";
import { syncFolder } from "./syncFolder.ts";
import { writeFile } from "./writeFile.ts";

export type { Release } from "./release.ts";

/** The texts that belong to a release, alongside its manifest. */
export interface ReleaseFiles {
  readonly "compose.yaml": string;
  readonly "collector.yaml": string;
  readonly "settings.env": string;
  /** The proxy's configuration, where the stack has a proxy. */
  readonly Caddyfile?: string;
}

/** Whose state it is expected to be. */
export interface Owner {
  readonly project: string;
  readonly environment: string;
}

/** A release whose manifest cannot be read. */
export interface DamagedRelease extends ManifestFault {
  readonly id: string;
  readonly path: string;
}

/**
 * The releases that can be read, newest first, one manifest at a time: a caller that stops at the
 * first good one has read no other. What cannot be read is passed over.
 * @param owner refuses a manifest that names another project or environment
 * @throws Problem STATE_UNUSABLE
 */
export function* releasesNewestFirst(directory: string, owner?: Owner): Generator<Release> {
  for (const id of releaseIds(directory)) {
    const read = readRelease(directory, id);
    if ("why" in read) continue;
    if (owner) assertOwned(manifestPath(directory, id), read, owner);
    yield read;
  }
}

/** The release that a new one comes after; reads no manifest beyond it. */
export function newestGood(directory: string, owner?: Owner): Release | undefined {
  return releasesNewestFirst(directory, owner).find((one) => one.outcome === "good");
}

/** All of them, newest first. */
export function readReleases(directory: string, owner?: Owner): Release[] {
  return [...releasesNewestFirst(directory, owner)];
}

/** The releases that cannot be read, newest first, and why. Reads all manifests. */
export function damagedReleases(directory: string): DamagedRelease[] {
  return releaseIds(directory).flatMap((id) => {
    const read = readRelease(directory, id);
    return "why" in read ? [{ id, path: manifestPath(directory, id), ...read }] : [];
  });
}

/** The ids that have a folder, newest first. */
export function releaseIds(directory: string): string[] {
  const folder = join(directory, "releases");
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => /^\d{6}$/.test(name));
  return names.sort().reverse();
}

/** The id after the highest that was ever given, by another state directory too that was adopted. */
export function nextReleaseId(directory: string): string {
  const highest = Math.max(
    Number(releaseIds(directory)[0] ?? 0),
    Number(readAdopted(directory).release),
  );
  return String(highest + 1).padStart(6, "0");
}

/** One release; what is wrong with its manifest where it cannot be read. */
export function readRelease(directory: string, id: string): Release | ManifestFault {
  let text: string;
  try {
    text = readFileSync(manifestPath(directory, id), "utf8");
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { why: "is missing" };
    if (["ENOTDIR", "EISDIR", "ELOOP"].includes(code)) return { why: "is not a file" };
    throw error;
  }
  const read = parseRelease(text);
  return "why" in read || read.id === id ? read : { why: `expected id ${id}, got ${read.id}` };
}

/**
 * Keeps a release's files, whole or not at all.
 * @returns the path of its compose.yaml
 */
export function keepRelease(
  directory: string,
  release: Omit<Release, "format">,
  files: ReleaseFiles,
): string {
  const folder = join(directory, "releases", release.id);
  const temporary = join(directory, "releases", `.${release.id}`);
  const clear = () => rmSync(temporary, { recursive: true, force: true });
  clear();
  try {
    mkdirSync(temporary, { mode: 0o700 });
    for (const [name, text] of Object.entries(files) as [string, string | undefined][]) {
      if (text !== undefined) writeFile(join(temporary, name), text);
    }
    writeFile(join(temporary, "release.json"), manifest(release));
  } catch (error) {
    clear();
    throw error;
  }
  renameSync(temporary, folder);
  syncFolder(join(directory, "releases"));
  return join(folder, "compose.yaml");
}

/** One of a release's texts; undefined where it was not stored. */
export function readReleaseFile(
  directory: string,
  id: string,
  name: keyof ReleaseFiles,
): string | undefined {
  const path = join(directory, "releases", id, name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Rewrites a release's manifest: its outcome became known. */
export function updateRelease(directory: string, release: Omit<Release, "format">): void {
  writeFile(manifestPath(directory, release.id), manifest(release));
}

/** Where a release's manifest is. */
export function manifestPath(directory: string, id: string): string {
  return join(directory, "releases", id, "release.json");
}

function manifest(release: Omit<Release, "format">): string {
  return `${JSON.stringify({ ...release, format: releaseFormat }, null, 2)}\n`;
}

function assertOwned(path: string, release: Release, owner: Owner): void {
  for (const name of ["project", "environment"] as const) {
    if (release[name] === null || release[name] === owner[name]) continue;
    throw new Problem(
      "STATE_UNUSABLE",
      `${path}: expected ${name} ${owner[name]}, got ${release[name]}`,
      { next: "set STATE_DIR to the directory of this project's own state" },
    );
  }
}
