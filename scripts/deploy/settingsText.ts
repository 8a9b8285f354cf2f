import { isOwnSetting } from "../settings/isOwnSetting.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * A release's settings by name, one `NAME=value` a line: no secrets, and not what only says
 * how the tool goes about.
 */
export function settingsText(settings: Settings): string {
  return settings
    .entries()
    .filter((one) => !settings.secrets.has(one.name) && !isOwnSetting(one.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => `${one.name}=${one.value}\n`)
    .join("");
}
