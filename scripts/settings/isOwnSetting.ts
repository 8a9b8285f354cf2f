import type { SettingName } from "./settingDefinitions.ts";

const own = new RegExp(
  `^(?:${[
    "STATE_DIR",
    "STACK_PROJECT",
    "SECRETS_KEY_FILE",
    "IMAGE_SOURCE",
    "REQUIRE_STAGING",
    "STAGING_VERIFICATION",
    "PROXY_(?:CERT|KEY)_FILE",
    "(?:DATABASE|MIGRATION|COLLECTOR|SERVER|HOOK)_TIMEOUT",
    "BAKE_TIME",
    "BAKE_GATE.*",
    "DEPLOY_STRATEGY",
    "TELEMETRY_REQUIRED",
    ".*_KEEP",
    "BACKUPS_KEEP_FOR",
    "OTEL_RELEASE_URL",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
  ].join("|")})$`,
);

/** Whether a setting says where the tool is and how it goes about: no part of any release. */
export function isOwnSetting(name: SettingName): boolean {
  return own.test(name);
}
