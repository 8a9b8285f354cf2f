import { settingDefinitions } from "./settingDefinitions.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { isSettingName } from "./isSettingName.ts";
import { checkSettings } from "./checkSettings.ts";
import type { SecretsPlace } from "./openSecretsFile.ts";
import type { Fault } from "./parseEnvFile.ts";
import { assertNoFaults } from "./assertNoFaults.ts";
import type { SecretsText } from "./secretsLayer.ts";

/**
 * Judges a secrets file that is not written yet, by the declarations and together with the
 * other files. A setting that is not set yet is no fault here.
 * @param only a setting's name, where the rest of the file is not checked
 * @throws Problem SETTINGS_INVALID with everything that is wrong in it, each with its line
 */
export function checkSecretsText(place: SecretsPlace, secrets: SecretsText, only?: string): void {
  const { environment, root, processEnvironment } = place;
  // A secret that the shell sets would hide what the file says.
  const shell = Object.entries(processEnvironment).filter(
    ([name]) => !isSettingName(name) || !settingDefinitions[name].secret,
  );
  const layers = gatherLayers(environment, root, Object.fromEntries(shell), secrets);
  const isOurs = ({ file, text, missing }: Fault) =>
    missing === undefined &&
    (only === undefined ? file === secrets.file : text.startsWith(`${only}: `));
  const faults = [...layers.faults, ...checkSettings(environment, layers)].filter(isOurs);
  assertNoFaults(environment, faults, layers.places);
}
