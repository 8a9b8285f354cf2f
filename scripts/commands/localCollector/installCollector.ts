import { chmodSync, closeSync, fsyncSync, openSync, readSync } from "node:fs";
import { Problem } from "../../common/problem.ts";
import { runProgram } from "../../docker/runProgram.ts";
import { binaryPlatform, headerLength } from "../../docker/binaryPlatform.ts";
import type { Platform } from "../../docker/collectorPlatform.ts";
import {
  recordCollector,
  sha256Of,
  type InstalledCollector,
} from "../../state/installedCollector.ts";

/** Where a program came from; its bytes have been verified, but for what they are. */
export interface Staged {
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
export async function installCollector(
  folder: string,
  staged: Staged,
  platform: Platform,
  signal: AbortSignal,
): Promise<InstalledCollector> {
  const { path, version, source } = staged;
  const requested = `${platform.os} ${platform.arch}`;
  const found = binaryPlatform(headerOf(path));
  if (found !== requested) {
    throw refused(`${source}: expected a program for ${requested}, got ${found}`);
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
    throw refused(`${source}: expected version ${version}, got ${got}`);
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

function refused(message: string): Problem {
  return new Problem("IMAGE_UNAVAILABLE", message, {
    details: ["it was not installed"],
    next: "set OTEL_RELEASE_URL and OTEL_VERSION to a release that fits this machine",
  });
}
