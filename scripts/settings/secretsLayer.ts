import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentName } from "./environmentName.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
import { pendingFaults } from "./pendingSecrets.ts";
import { type Layer, readLayer } from "./readLayer.ts";
import { secretsPaths } from "./secretsPaths.ts";

/** The text of a secrets file that was opened, or is about to be written. */
export interface SecretsText {
  /** Its path below the root, as faults name it. */
  readonly file: string;
  readonly text: string;
}

/**
 * The layer of an environment's secrets: the plain file, or the sealed one's opened text.
 * Both at once, and a sealed one that is not opened, are faults.
 * @param opened takes the place of what is on disk
 */
export function secretsLayer(
  root: string,
  environment: EnvironmentName,
  opened: SecretsText | undefined,
): Layer {
  if (opened !== undefined) {
    const { file, text } = opened;
    const { assignments, faults } = parseEnvFile(text, file);
    const all = [...faults, ...pendingFaults(text, file, environment)];
    return { file, secret: true, present: true, text, assignments, faults: all };
  }
  const { plain, sealed } = secretsPaths(environment);
  const layer = readLayer(root, plain);
  if (existsSync(join(root, sealed))) {
    const text = layer.present
      ? `expected one secrets file, got ${sealed} next to it; npm run secrets -- seal ${environment}`
      : "expected to be opened with its key first, got a sealed file";
    const file = layer.present ? plain : sealed;
    return {
      file,
      secret: true,
      present: true,
      assignments: [],
      faults: [{ file, line: 0, text }],
    };
  }
  const pending = pendingFaults(layer.text ?? "", plain, environment);
  return { ...layer, faults: [...layer.faults, ...pending] };
}
