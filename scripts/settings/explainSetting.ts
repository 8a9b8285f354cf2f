import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";
import { isSettingName } from "./isSettingName.ts";
import type { LayerOfSetting, Settings } from "./readSettings.ts";

export interface Explanation {
  readonly name: SettingName;
  readonly description: string;
  readonly expected: string;
  readonly layers: readonly LayerOfSetting[];
}

/**
 * Why a setting is what it is: its declaration, and every layer that set it.
 * @throws Problem USAGE when there is no setting of that name, with the nearest one
 */
export function explainSetting(settings: Pick<Settings, "layers">, name: string): Explanation {
  if (!isSettingName(name)) {
    const meant = didYouMean(name, Object.keys(settingDefinitions));
    const hint = meant ? `; did you mean ${meant}?` : "";
    throw new Problem(
      "USAGE",
      `expected the name of a setting, got ${JSON.stringify(name)}${hint}`,
    );
  }
  const { description, expected } = settingDefinitions[name];
  return { name, description, expected, layers: settings.layers(name) };
}
