import { Problem } from "../common/problem.ts";
import type { Release } from "../ledger/release.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Target } from "./target.ts";

/**
 * Secrets stay the present ones when a release comes back: what it cannot do without must be
 * among them.
 * @param release with the names of the secrets that were set when it was made
 * @throws Problem SETTINGS_INVALID naming those that are not set any more
 */
export function refuseMissingSecrets(target: Target, release: Release, settings: Settings): void {
  const { stack, collector } = target.prepared;
  const named = new Set(
    [...`${stack.text}\n${collector}`.matchAll(/\$\{([A-Z][A-Z0-9_]*)\}/g)].map(([, name]) => name),
  );
  const set = new Set<string>(settings.secrets.keys());
  const missing = Object.keys(release.secrets).filter((name) => named.has(name) && !set.has(name));
  if (missing.length === 0) return;
  const file = `env/${settings.environment}.secrets.env`;
  throw new Problem("SETTINGS_INVALID", `release ${release.id} cannot run without its secrets`, {
    details: missing.map((name) => `${file}: ${name}: expected a value, got nothing`),
    next: `put it back into ${file}, then the same command`,
  });
}
