import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { isOurSecret } from "./isOurSecret.ts";
import { isSettingName } from "./isSettingName.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
import { assertNoFaults } from "./assertNoFaults.ts";
import { secretDates } from "./secretDates.ts";
import type { SecretsPlace } from "./openSecretsFile.ts";
import type { SecretsText } from "./secretsLayer.ts";

/** A secret by its name and age, never its value. */
export interface ListedSecret {
  readonly name: SettingName;
  readonly state: "set" | "empty" | "missing";
  /** Days since it was set; null where it was not noted, or it was changed by hand since. */
  readonly days: number | null;
}

/**
 * The secrets a file holds, and the required ones that no layer sets.
 * @param today "2026-11-21"
 * @throws Problem SETTINGS_INVALID for a text that cannot be read
 */
export function listSecrets(
  place: SecretsPlace,
  secrets: SecretsText,
  today: string,
): ListedSecret[] {
  const { environment, root, processEnvironment } = place;
  const { assignments, faults } = parseEnvFile(secrets.text, secrets.file);
  assertNoFaults(environment, faults, [secrets.file]);
  const dates = secretDates(secrets.text);
  const listed = assignments.flatMap(({ name, value }): ListedSecret[] => {
    if (!isSettingName(name) || !settingDefinitions[name].secret) return [];
    const day = dates.get(name);
    const days = day === undefined ? null : daysBetween(day, today);
    return [{ name, state: value === "" ? "empty" : "set", days: value === "" ? null : days }];
  });
  const layers = gatherLayers(environment, root, processEnvironment, secrets);
  const get = (name: SettingName) => layers.winner(name)?.value ?? "";
  const missing = (Object.keys(settingDefinitions) as SettingName[]).filter((name) => {
    const { secret, required, generated } = settingDefinitions[name];
    const isNeeded = required?.includes(environment) || generated !== undefined;
    return secret && isNeeded && isOurSecret(name, get) && layers.all(name).length === 0;
  });
  return [...listed, ...missing.map((name) => ({ name, state: "missing" as const, days: null }))];
}

function daysBetween(from: string, to: string): number {
  return Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000));
}
