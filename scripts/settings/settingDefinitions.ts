import type { SettingDefinition } from "./defineSettings.ts";
import { serverSettings } from "./serverSettings.ts";
import { serverVariables } from "./serverVariables.ts";
import { stackSettings } from "./stackSettings.ts";
import { telemetrySettings } from "./telemetrySettings.ts";

/** Every setting there is; a name that is not here is refused. */
export const settingDefinitions: Readonly<Record<SettingName, SettingDefinition>> = {
  ...stackSettings,
  ...serverSettings,
  ...serverVariables,
  ...telemetrySettings,
};

export type SettingName =
  | keyof typeof stackSettings
  | keyof typeof serverSettings
  | keyof typeof serverVariables
  | keyof typeof telemetrySettings;

/** Whether a setting of that name is declared. */
export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(settingDefinitions, name);
}

/** Whether a setting says where the tool is and how it proceeds: no part of any release. */
export function isOwnSetting(name: SettingName): boolean {
  return settingDefinitions[name].scope === "tool";
}

const longest = 60;

/**
 * A setting's value as messages may show it: of a secret its length alone, of a URL not
 * its user and password, of a long value its beginning, and nothing that moves a cursor.
 */
export function shownValue(value: string, defined: { secret?: boolean }): string {
  if (value === "") return "nothing";
  if (defined.secret) return `a value of ${[...value].length} characters`;
  const masked = value.replace(/\/\/[^/]*@/gu, "//••••@");
  const whole = [...masked];
  const cut = whole.length > longest ? `${whole.slice(0, longest).join("")}…` : masked;
  return /^\s|\s$|[\p{C}\p{Zl}\p{Zp}]/u.test(cut) ? escaped(cut) : cut;
}

function escaped(text: string): string {
  const named = JSON.stringify(text);
  return named.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
