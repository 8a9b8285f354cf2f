import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";

/** Whether a setting of that name is declared. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingDefinitions, name);
}
