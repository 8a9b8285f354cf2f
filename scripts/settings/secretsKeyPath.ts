import { join, resolve, sep } from "node:path";
import { Problem } from "../common/problem.ts";
import { gatherLayers } from "./gatherLayers.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { SecretsPlace } from "./openSecretsFile.ts";

/**
 * Where the key of an environment's sealed secrets is: the setting SECRETS_KEY_FILE, else
 * letta-stack/key in the user's own configuration directory (XDG_CONFIG_HOME, else ~/.config).
 * @throws Problem SETTINGS_INVALID for a path within the project, where copies of it would carry
 *   lock and key together, and where no home is known
 */
export function secretsKeyPath({ environment, root, processEnvironment }: SecretsPlace): string {
  // Not from the secrets file: it is what the key opens.
  const layers = gatherLayers(environment, root, processEnvironment, { file: "", text: "" });
  const set = layers.winner("SECRETS_KEY_FILE")?.value ?? "";
  const home = processEnvironment["HOME"];
  const configuration =
    processEnvironment["XDG_CONFIG_HOME"] || (home ? join(home, ".config") : "");
  if (set === "" && configuration === "") {
    throw unusable(environment, "expected a path where HOME is not set, got nothing");
  }
  const path = resolve(root, set || join(configuration, "letta-stack", "key"));
  if (path.startsWith(`${resolve(root)}${sep}`)) {
    throw unusable(environment, `expected a path outside the project, got ${path}`);
  }
  return path;
}

function unusable(environment: EnvironmentName, what: string): Problem {
  return new Problem("SETTINGS_INVALID", "the key of sealed secrets is not usable", {
    details: [`SECRETS_KEY_FILE: ${what}`],
    next: `SECRETS_KEY_FILE=<a file outside the project> in env/${environment}.env`,
  });
}
