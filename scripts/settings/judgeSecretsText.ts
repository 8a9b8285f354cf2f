import { declarations } from "./declarations.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { isSettingName } from "./isSettingName.ts";
import { judgeSettings } from "./judgeSettings.ts";
import type { SecretsPlace } from "./openSecretsFile.ts";
import type { Fault } from "./parseEnvFile.ts";
import { refuseFaults } from "./refuseFaults.ts";
import type { SecretsText } from "./secretsLayer.ts";

/**
 * Judges a secrets file that is not written yet, by the declarations and together with the
 * other files. What nobody has set yet is no fault here.
 * @param only a setting's name, where the rest of the file is somebody else's business
 * @throws Problem SETTINGS_INVALID with everything that is wrong in it, each with its line
 */
export function judgeSecretsText(place: SecretsPlace, secrets: SecretsText, only?: string): void {
  const { environment, root, processEnvironment } = place;
  // A secret that the shell sets would hide what the file says.
  const shell = Object.entries(processEnvironment).filter(
    ([name]) => !isSettingName(name) || !declarations[name].secret,
  );
  const layers = gatherLayers(environment, root, Object.fromEntries(shell), secrets);
  const isOurs = ({ file, text, missing }: Fault) =>
    missing === undefined &&
    (only === undefined ? file === secrets.file : text.startsWith(`${only}: `));
  const faults = [...layers.faults, ...judgeSettings(environment, layers)].filter(isOurs);
  refuseFaults(environment, faults, layers.places);
}
