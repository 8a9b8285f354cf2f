import {
  type Dirent,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { Problem } from "../common/problem.ts";
import { type ManifestFault, parseRelease, type Release, releaseFormat } from "./release.ts";
import { syncFolder, writeFile } from "./writeFile.ts";

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

/** What is asked of a command that writes is about the newest ones, however many there are. */
const looksAt = 200;

/** A quarantined manifest. */
interface Quarantined {
  readonly id: string;
  readonly why: string;
  /** Where its bytes are now. */
  readonly retained: string;
}

/**
 * Moves the damaged ones of the newest 200 manifests away, every byte retained, before a
 * command writes. Older ones stay where they are; readers skip them. The journal
 * stays too: each of its lines has a checksum, so damage costs the damaged lines only.
 * @throws Problem STATE_UNUSABLE for a manifest of a later format: nothing of it is guessed
 */
export function quarantineDamaged(directory: string, now: Date): Quarantined[] {
  const damaged = releaseIds(directory)
    .slice(0, looksAt)
    .flatMap((id) => {
      const read = readRelease(directory, id);
      const { why, laterFormat, isEarlier } = "why" in read ? read : {};
      if (laterFormat !== undefined) throw later(manifestPath(directory, id), laterFormat);
      if (isEarlier) throw earlier(manifestPath(directory, id));
      return why === undefined || why === "is missing" ? [] : [{ id, why }];
    });
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return damaged.map(({ id, why }) => {
    const path = manifestPath(directory, id);
    const retained = `${path}.corrupt-${stamp}`;
    renameSync(path, retained);
    return { id, why, retained };
  });
}

function earlier(path: string): Problem {
  return new Problem("STATE_UNUSABLE", `${path}: written by a version before 0.2.0`, {
    details: ["its releases cannot be rolled back to by this version; nothing was changed"],
    next: "set another STATE_DIR, then the same command with --adopt-state",
  });
}

function later(path: string, format: number): Problem {
  return new Problem(
    "STATE_UNUSABLE",
    `${path}: expected a format up to ${releaseFormat}, found ${format}`,
    { next: "use the version of this tool that wrote it, or a later one" },
  );
}

/**
 * Has the disk know the newest names of a state directory. A run that was killed may have
 * renamed a manifest and not waited for the disk: it can be read, and what is built on it must
 * not outlive it when the power goes.
 */
export function syncNewest(directory: string): void {
  const [newest] = releaseIds(directory);
  const releases = join(directory, "releases");
  if (newest !== undefined) syncFolder(join(releases, newest));
  syncFolder(releases);
  syncFolder(directory);
}

/** What is written before a command's first line in the journal goes into these. */
const early = [".", "histories"];

/**
 * Removes what a killed run had begun to write in a state directory: files that were still
 * to be renamed, and folders of releases. Only for who holds the lock.
 * @param isEverywhere false looks only where a run writes of which the journal says nothing
 */
export function removePartialWrites(directory: string, isEverywhere: boolean): void {
  const places = isEverywhere ? [directory] : early.map((name) => join(directory, name));
  const entries = places
    .filter((place) => existsSync(place))
    .flatMap((place) => readdirSync(place, { recursive: isEverywhere, withFileTypes: true }));
  const isHalf = (entry: Dirent) =>
    entry.isDirectory() ? /^\.\d{6}$/.test(entry.name) : entry.name.endsWith(".new");
  const half = entries.filter((entry) => isHalf(entry) && (entry.isDirectory() || entry.isFile()));
  for (const { parentPath, name } of half)
    rmSync(join(parentPath, name), { recursive: true, force: true });
  // No later run looks again: a power cut must bring back neither these, nor what a killed run had renamed
  // and not synced.
  const looked = isEverywhere ? entries : half;
  for (const folder of new Set(looked.map((one) => one.parentPath)))
    if (existsSync(folder)) syncFolder(folder);
}

/** What a state directory did not make and has taken over, by --adopt-state. */
interface Adopted {
  /** Ids of the installations that made it. */
  readonly installations: readonly string[];
  /** The highest release that was found then: ids continue above it. */
  readonly release: string;
  /** Whether the run under way was asked to adopt what it finds. */
  readonly isAsked: boolean;
}

const schema = v.object({
  installations: v.array(v.string()),
  release: v.pipe(v.string(), v.regex(/^\d{6,}$/)),
  isAsked: v.boolean(),
});

const nothing: Adopted = { installations: [], release: "000000", isAsked: false };
const pathOf = (directory: string) => join(directory, "adopted.json");

/** What was adopted; nothing where the file is missing or damaged: then it is asked for again. */
export function readAdopted(directory: string): Adopted {
  if (!existsSync(pathOf(directory))) return nothing;
  const text = readFileSync(pathOf(directory), "utf8");
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), text);
  return read.success ? read.output : nothing;
}

/** Keeps what was adopted; writes nothing where that is so already. */
export function keepAdopted(directory: string, change: Partial<Adopted>): void {
  const before = readAdopted(directory);
  const after = { ...before, ...change };
  if (JSON.stringify(after) === JSON.stringify(before)) return;
  writeFile(pathOf(directory), `${JSON.stringify(after, null, 2)}\n`);
}
