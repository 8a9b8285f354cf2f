import type { Declaration } from "./declare.ts";
import { serverDeclarations } from "./serverDeclarations.ts";
import { serverVariables } from "./serverVariables.ts";
import { stackDeclarations } from "./stackDeclarations.ts";
import { telemetryDeclarations } from "./telemetryDeclarations.ts";

/** Every setting there is; a name that is not here is refused. */
export const declarations: Readonly<Record<SettingName, Declaration>> = {
  ...stackDeclarations,
  ...serverDeclarations,
  ...serverVariables,
  ...telemetryDeclarations,
};

export type SettingName =
  | keyof typeof stackDeclarations
  | keyof typeof serverDeclarations
  | keyof typeof serverVariables
  | keyof typeof telemetryDeclarations;
