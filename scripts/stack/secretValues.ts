import type { Settings } from "../settings/readSettings.ts";
import { proxyCertificate } from "./proxyCertificate.ts";

/**
 * What a rendered stack takes from Compose's process environment, by name: the settings that are
 * secrets, and the proxy's own certificate with its key.
 * @throws Problem SETTINGS_INVALID where that certificate cannot be used
 */
export function secretValues(settings: Settings): ReadonlyMap<string, string> {
  return new Map<string, string>([
    ...settings.secrets,
    ...Object.entries(proxyCertificate(settings) ?? {}),
  ]);
}
