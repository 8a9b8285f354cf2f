import type { SettingName } from "./declarations.ts";

const own = new RegExp(
  `^(?:${[
    "STATE_DIR",
    "STACK_PROJECT",
    "SECRETS_KEY_FILE",
    "IMAGES",
    "REQUIRE_STAGING",
    "STAGING_PROOF",
    "PROXY_(?:CERT|KEY)_FILE",
    "(?:DATABASE|MIGRATION|COLLECTOR|SERVER)_WAIT_SECONDS",
    "(?:BAKE|HOOK)_SECONDS",
    "BAKE_GATE.*",
    "CUTOVER",
    "TELEMETRY_REQUIRED",
    ".*_KEEP",
    "BACKUPS_DAYS",
    "OTEL_RELEASE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
  ].join("|")})$`,
);

/** Whether a setting says where the tool is and how it goes about: no part of any release. */
export function isOwnSetting(name: SettingName): boolean {
  return own.test(name);
}
