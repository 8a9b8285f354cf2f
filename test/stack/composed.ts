import { parse } from "yaml";
import { chooseProfile } from "../../scripts/stack/fragments.ts";
import {
  composeConfiguration,
  type ComposeOptions,
} from "../../scripts/stack/composeConfiguration.ts";
import { exampleValues, lookupOf, root } from "./exampleStack.ts";

type Changed = Readonly<Record<string, string>>;
type Part = Record<string, unknown>;

export interface Composed {
  readonly extensions: Record<string, Part>;
  readonly receivers: Record<string, Part>;
  readonly processors: Record<string, Part>;
  readonly exporters: Record<string, Part>;
  readonly service: {
    readonly extensions: string[];
    readonly telemetry: { readonly metrics: Part };
    readonly pipelines: Record<string, Record<"receivers" | "processors" | "exporters", string[]>>;
  };
}

/** What an environment of this repository looks up, with some settings changed. */
export function lookupIn(environment: string, changed: Changed = {}) {
  return lookupOf(new Map([...exampleValues(environment), ...Object.entries(changed)]));
}

/** The text composed for an environment of this repository. */
export function composed(environment: string, changed: Changed, options: ComposeOptions = {}) {
  const lookup = lookupIn(environment, changed);
  return composeConfiguration(root, chooseProfile(environment, lookup).fragments, lookup, options);
}

/** The same, read back. */
export function readComposed(environment: string, changed: Changed, options: ComposeOptions = {}) {
  return parse(composed(environment, changed, options), { version: "1.1" }) as Composed;
}
