import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

const format = 1;

/** A release as it is kept: one unit of images, settings, rendered stack and configuration. */
export interface Release {
  readonly format: number;
  readonly id: string;
  readonly tag: string;
  readonly created: string;
  readonly outcome: "begun" | "good" | "failed";
  readonly services: Readonly<
    Record<
      string,
      {
        readonly image: string;
        readonly imageId: string;
        readonly digest: string;
        readonly release: string;
      }
    >
  >;
  readonly revision: readonly string[];
}

/** The texts that belong to a release, beside its sheet. */
export interface ReleaseFiles {
  readonly "compose.yaml": string;
  readonly "collector.yaml": string;
  readonly "settings.env": string;
}

/** All releases, newest first. One of another format, or unreadable, is left out. */
export function readReleases(directory: string): Release[] {
  const folder = join(directory, "releases");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^\d{6}$/.test(name))
    .sort((a, b) => (a < b ? 1 : -1))
    .flatMap((name) => {
      const release = readSheet(join(folder, name, "release.json"));
      return release?.format === format ? [release] : [];
    });
}

/** The id after the highest that was ever given. */
export function nextReleaseId(directory: string): string {
  const folder = join(directory, "releases");
  const given = existsSync(folder) ? readdirSync(folder).map(Number).filter(Number.isInteger) : [];
  return String(Math.max(0, ...given) + 1).padStart(6, "0");
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
  const beside = join(directory, "releases", `.${release.id}`);
  rmSync(beside, { recursive: true, force: true });
  mkdirSync(beside, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFile(join(beside, name), text as string);
  writeFile(join(beside, "release.json"), sheet(release));
  renameSync(beside, folder);
  return join(folder, "compose.yaml");
}

/** One of a release's texts; undefined where it was not kept. */
export function readReleaseFile(
  directory: string,
  id: string,
  name: keyof ReleaseFiles,
): string | undefined {
  const path = join(directory, "releases", id, name);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Rewrites a release's sheet: its outcome became known. */
export function updateRelease(directory: string, release: Omit<Release, "format">): void {
  writeFile(join(directory, "releases", release.id, "release.json"), sheet(release));
}

function sheet(release: Omit<Release, "format">): string {
  return `${JSON.stringify({ ...release, format }, null, 2)}\n`;
}

function readSheet(path: string): Release | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Release;
  } catch {
    return undefined;
  }
}
