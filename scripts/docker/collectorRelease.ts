import type { Platform } from "./collectorPlatform.ts";

/** Where one version for one platform is downloaded. */
export interface CollectorRelease {
  /** The archive's own name, as its checksum is listed under. */
  readonly archive: string;
  readonly url: string;
  /** Lists of checksums, the likelier address first: older releases had one list for all. */
  readonly checksums: readonly string[];
}

/** The one file of the archive that is wanted, and the name it is installed under. */
export const collectorBinary = "otelcol-contrib";

/**
 * The addresses of a release, named as open-telemetry/opentelemetry-collector-releases names
 * its files.
 * @param base what OTEL_RELEASE_URL says
 */
export function collectorRelease(
  base: string,
  version: string,
  { os, arch }: Platform,
): CollectorRelease {
  const folder = `${base.replace(/\/+$/, "")}/v${version}`;
  const archive = `${collectorBinary}_${version}_${os}_${arch}.tar.gz`;
  const project = "opentelemetry-collector-releases";
  return {
    archive,
    url: `${folder}/${archive}`,
    checksums: [
      `${folder}/${project}_${collectorBinary}_checksums.txt`,
      `${folder}/${project}_checksums.txt`,
    ],
  };
}
