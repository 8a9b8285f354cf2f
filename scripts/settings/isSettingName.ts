import { declarations, type SettingName } from "./declarations.ts";

/** Whether a setting of that name is declared. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(declarations, name);
}
