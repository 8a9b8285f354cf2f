import { nearest } from "../common/nearest.ts";
import { Problem } from "../common/problem.ts";
import { declarations, type SettingName } from "./declarations.ts";
import { isSettingName } from "./isSettingName.ts";
import type { LayerOfSetting, Settings } from "./readSettings.ts";

export interface Explanation {
  readonly name: SettingName;
  readonly about: string;
  readonly expected: string;
  readonly layers: readonly LayerOfSetting[];
}

/**
 * Why a setting is what it is: its declaration, and every layer that set it.
 * @throws Problem USAGE when there is no setting of that name, with the nearest one
 */
export function explainSetting(settings: Pick<Settings, "layers">, name: string): Explanation {
  if (!isSettingName(name)) {
    const meant = nearest(name, Object.keys(declarations));
    const hint = meant ? `; did you mean ${meant}?` : "";
    throw new Problem(
      "USAGE",
      `expected the name of a setting, got ${JSON.stringify(name)}${hint}`,
    );
  }
  const { about, expected } = declarations[name];
  return { name, about, expected, layers: settings.layers(name) };
}
