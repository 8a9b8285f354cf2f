import {
  isOwnSetting,
  isSettingName,
  settingDefinitions,
  type SettingName,
} from "./settingDefinitions.ts";
import type { Settings } from "./readSettings.ts";

/** Never stored; one that became a secret since may still stand in an old release's file. */
const isSecret = (name: SettingName) => settingDefinitions[name].secret === true;

/**
 * A past release's settings under the present secrets.
 * @param text its settings.env, as `settingsText` wrote it
 * @param origin what an origin is called: "release 000003"
 */
export function pastSettings(present: Settings, text: string, origin: string): Settings {
  const retained = new Map(
    text
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const)
      .filter(([name]) => isSettingName(name) && !isOwnSetting(name) && !isSecret(name)),
  );
  const isPresent = (name: SettingName) => present.secrets.has(name) || isOwnSetting(name);
  const get = (name: SettingName) =>
    isPresent(name) ? present.get(name) : (retained.get(name) ?? "");
  return {
    ...present,
    get,
    has: (name) => get(name) !== "",
    origin: (name) => (isPresent(name) ? present.origin(name) : retained.has(name) ? origin : ""),
    layers: (name) =>
      isPresent(name) ? present.layers(name) : [{ origin, value: get(name), wins: true }],
    lookup: (name) => {
      const found = present.lookup(name);
      if (found === undefined || !isSettingName(name)) return found;
      return found.secret ? found : { value: get(name), secret: false };
    },
    missing: [],
    entries: () => [
      ...present.entries().filter((one) => isPresent(one.name)),
      ...[...retained].map(([name, value]) => ({
        name: name as SettingName,
        value,
        origin,
        secret: false,
      })),
    ],
  };
}
