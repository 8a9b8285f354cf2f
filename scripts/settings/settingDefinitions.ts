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
