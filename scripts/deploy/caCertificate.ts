import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * The certificate (PEM) that is trusted in addition to the known ones, where OTEL_CA_FILE names one.
 * @throws Problem SETTINGS_INVALID where there is none in that file
 */
export function caCertificate(settings: Settings): string | undefined {
  if (!settings.has("OTEL_CA_FILE")) return undefined;
  const path = resolve(settings.root, settings.get("OTEL_CA_FILE"));
  let text = "";
  let found = "no certificate in it";
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    found = (error as Error).message;
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new Problem("SETTINGS_INVALID", `the settings of ${settings.environment} are not usable`, {
    details: [
      `${settings.origin("OTEL_CA_FILE")}: OTEL_CA_FILE: expected a file with a certificate, got ${found}`,
    ],
  });
}
