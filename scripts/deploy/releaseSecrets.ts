import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import { secretValues } from "../stack/proxyCertificate.ts";
import type { Release } from "../state/release.ts";
import type { Target } from "./target.ts";

/** The proxy's own certificate is known by the settings that say where it is. */
const certificateSettings: ReadonlyMap<string, string> = new Map([
  ["PROXY_CERTIFICATE", "PROXY_CERT_FILE"],
  ["PROXY_KEY", "PROXY_KEY_FILE"],
]);

/**
 * The places of secrets that a release was made with, cannot do without, and that are not set any
 * more: "env/prod.secrets.env: NAME". A release stores the names of its secrets, never their values.
 * @param texts its rendered stack and its collector's configuration
 * @param settings those of now
 */
function missingSecrets(
  { secrets }: Pick<Release, "secrets">,
  texts: readonly string[],
  settings: Settings,
): string[] {
  const named = new Set(
    [...texts.join("\n").matchAll(/\$\{([A-Z][A-Z0-9_]*)\}|^ +environment: ([A-Z_]+)$/gm)].map(
      ([, name, asFile]) => name ?? asFile,
    ),
  );
  const set = new Set(secretValues(settings).keys());
  const { environment, secretsFile: file } = settings;
  return Object.keys(secrets)
    .filter((name) => named.has(name) && !set.has(name))
    .map((name) => {
      const setting = certificateSettings.get(name);
      return setting === undefined ? `${file}: ${name}` : `env/${environment}.env: ${setting}`;
    });
}

/**
 * Secrets stay the present ones when a release comes back: what it cannot do without must be
 * among them.
 * @throws Problem SETTINGS_INVALID naming those that are not set any more
 */
export function assertSecretsPresent(target: Target, release: Release, settings: Settings): void {
  const { stack, collector } = target.prepared;
  const missing = missingSecrets(release, [stack.text, collector], settings);
  if (missing.length === 0) return;
  throw new Problem("SETTINGS_INVALID", `release ${release.id} cannot run without its secrets`, {
    details: missing.map((place) => `${place}: expected a value, got nothing`),
    next: "put it back there, then the same command",
  });
}

/** For a plan's reader: secrets without which an automatic rollback to the present release fails. */
export function describeMissingSecrets(
  present: Pick<Release, "id" | "secrets">,
  texts: readonly string[],
  settings: Settings,
): string[] {
  const missing = missingSecrets(present, texts, settings);
  if (missing.length === 0) return [];
  return [
    `rollback: not possible, an automatic one neither: release ${present.id} needs ${missing.join(", ")}, not set any more`,
  ];
}
