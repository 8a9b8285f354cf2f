import { Problem } from "../common/problem.ts";
import type { Release } from "../state/release.ts";
import type { Settings } from "../settings/readSettings.ts";
import { secretValues } from "../stack/secretValues.ts";
import type { Target } from "./target.ts";

/** The proxy's own certificate is known by the settings that say where it is. */
const certificateSettings: ReadonlyMap<string, string> = new Map([
  ["PROXY_CERTIFICATE", "PROXY_CERT_FILE"],
  ["PROXY_KEY", "PROXY_KEY_FILE"],
]);

/**
 * Secrets stay the present ones when a release comes back: what it cannot do without must be
 * among them.
 * @param release with the names of the secrets that were set when it was made
 * @throws Problem SETTINGS_INVALID naming those that are not set any more
 */
export function assertSecretsPresent(target: Target, release: Release, settings: Settings): void {
  const { stack, collector } = target.prepared;
  const named = new Set(
    [
      ...`${stack.text}\n${collector}`.matchAll(
        /\$\{([A-Z][A-Z0-9_]*)\}|^ +environment: ([A-Z_]+)$/gm,
      ),
    ].map(([, name, asFile]) => name ?? asFile),
  );
  const set = new Set(secretValues(settings).keys());
  const missing = Object.keys(release.secrets).filter((name) => named.has(name) && !set.has(name));
  if (missing.length === 0) return;
  const { environment, secretsFile: file } = settings;
  const places = missing.map((name) => {
    const set = certificateSettings.get(name);
    return set === undefined ? `${file}: ${name}` : `env/${environment}.env: ${set}`;
  });
  throw new Problem("SETTINGS_INVALID", `release ${release.id} cannot run without its secrets`, {
    details: places.map((place) => `${place}: expected a value, got nothing`),
    next: "put it back there, then the same command",
  });
}
