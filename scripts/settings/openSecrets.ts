import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSecretsFile, type SecretsPlace } from "./openSecretsFile.ts";
import type { SecretsText } from "./secretsLayer.ts";
import { secretsPaths } from "./secretsPaths.ts";

/**
 * The text of an environment's sealed secrets, for `readSettings`, which does not wait.
 * @returns undefined where they are plain, which it reads itself
 * @throws Problem SETTINGS_INVALID where it cannot be opened
 */
export async function openSecrets(place: SecretsPlace): Promise<SecretsText | undefined> {
  if (!existsSync(join(place.root, secretsPaths(place.environment).sealed))) return undefined;
  const { file, text = "" } = await openSecretsFile(place);
  return { file, text };
}
