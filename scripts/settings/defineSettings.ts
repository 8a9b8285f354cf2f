import type { GenericSchema } from "valibot";
import type { EnvironmentName } from "./environmentName.ts";

/** What a setting's text must look like; an issue's message, if any, is the reason or the remedy. */
export interface ValueType {
  /** Completes the sentence "expected …". */
  readonly expected: string;
  readonly schema: GenericSchema<string, unknown>;
}

export interface SettingDefinition extends ValueType {
  /** What the setting is for, in one line. */
  readonly description: string;
  /** Never shown, never in a committed file. */
  readonly secret?: true;
  /** `secrets init` can make one up. */
  readonly generated?: "password" | "key";
  /** The server reads it under this very name; the stack only passes it on. */
  readonly passed?: true;
  /** The environments that cannot do without. */
  readonly required?: readonly EnvironmentName[];
}

/** A table of declarations that remembers its names. */
export function defineSettings<Name extends string>(
  table: Record<Name, SettingDefinition>,
): Readonly<Record<Name, SettingDefinition>> {
  return table;
}
