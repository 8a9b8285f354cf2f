import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../../common/problem.ts";
import { downloadFile, type DownloadOptions } from "../../docker/downloadFile.ts";
import { extractBinary } from "../../docker/extractBinary.ts";
import { collectorBinary, type CollectorRelease } from "../../docker/collectorRelease.ts";
import { listedChecksum } from "../../docker/listedChecksum.ts";

/** In bytes, far above what a collector has: what is larger is something else. */
export const limits = {
  list: 1024 * 1024,
  archive: 512 * 1024 * 1024,
  binary: 1536 * 1024 * 1024,
} as const;

/** What a download is made with, and what tells how far it is. */
export interface DownloadParts extends Omit<DownloadOptions, "limit" | "report"> {
  readonly report: (text: string) => void;
}

/**
 * Downloads a release and takes the collector out of it. The archive is opened only when its
 * checksum is the one that the release lists.
 * @param staging an empty folder of ours
 * @returns the program's path; or why the address has nothing to give
 * @throws Problem IMAGE_UNAVAILABLE where it gave something else than the release
 */
export async function downloadCollector(
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
