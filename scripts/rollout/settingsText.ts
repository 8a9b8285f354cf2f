import type { Settings } from "../settings/readSettings.ts";

/** A release's settings without secrets, one `NAME=value` a line, by name. */
export function settingsText(settings: Settings): string {
  return settings
    .entries()
    .filter((one) => !settings.secrets.has(one.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => `${one.name}=${one.value}\n`)
    .join("");
}
