import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { syncFolder, writeFile } from "./writeFile.ts";

/** A collector that was verified when it was installed, and is still the same file. */
export interface InstalledCollector {
  readonly path: string;
  readonly version: string;
  readonly sha256: string;
  /** The address it was downloaded from, or the image it was copied from. */
  readonly source: string;
}

const recordFormat = 1;

/**
 * The installed collector of a version, by the record next to it. It is not executed for that:
 * its checksum says whether it is still what was verified.
 * @param folder where collectors are installed
 * @returns undefined where there is none, or not that one any more
 */
export async function installedCollector(
  folder: string,
  version: string,
): Promise<InstalledCollector | undefined> {
  const record = readRecord(recordPath(folder, version));
  if (record === undefined || record.version !== version) return undefined;
  const path = join(folder, basename(record.file));
  const found = await sha256Of(path).catch(() => undefined);
  if (found !== record.sha256) return undefined;
  return { path, version, sha256: record.sha256, source: record.source };
}

/**
 * Makes a verified program the installed one. The record is written last and is what counts:
 * a run that is interrupted before leaves the previous collector as it was.
 * @param staged the program, in the same file system, synced and executable
 */
export function recordCollector(
  folder: string,
  staged: string,
  description: Omit<InstalledCollector, "path">,
): InstalledCollector {
  const { version, sha256, source } = description;
  const prefix = `otelcol-contrib-${version}-`;
  const file = `${prefix}${sha256.slice(0, 12)}`;
  renameSync(staged, join(folder, file));
  syncFolder(folder);
  const record = { format: recordFormat, version, file, sha256, source };
  writeFile(recordPath(folder, version), `${JSON.stringify(record)}\n`);
  for (const other of readdirSync(folder)) {
    const isPrevious =
      other.startsWith(prefix) && /^[0-9a-f]{12}$/.test(other.slice(prefix.length));
    if (isPrevious && other !== file) rmSync(join(folder, other), { force: true });
  }
  return { path: join(folder, file), version, sha256, source };
}

/** The SHA-256 of a file as hexadecimal digits. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

interface Record {
  readonly version: string;
  readonly file: string;
  readonly sha256: string;
  readonly source: string;
}

function readRecord(path: string): Record | undefined {
  try {
    const found = JSON.parse(readFileSync(path, "utf8")) as Record & { format?: unknown };
    const texts = [found.version, found.file, found.sha256, found.source];
    const isWhole = found.format === recordFormat && texts.every((one) => typeof one === "string");
    return isWhole ? found : undefined;
  } catch {
    return undefined; // none, or damaged: then it is installed anew
  }
}

function recordPath(folder: string, version: string): string {
  return join(folder, `otelcol-contrib-${version}.json`);
}
