import { Problem } from "../common/problem.ts";
import { fillSettings, type Lookup } from "../settings/fillSettings.ts";
import { isMap, type Value, type ValueMap } from "./mergeSources.ts";

/**
 * Fills the settings into a model. An environment entry without a value (`NAME:`) takes
 * the setting of that name and is left out where there is none.
 * @throws Problem SOURCE_INVALID for names that no setting declares
 */
export function interpolate(model: ValueMap, lookup: Lookup): ValueMap {
  const unknown = new Set<string>();
  const walk = (value: Value, path: readonly string[]): Value => {
    if (typeof value === "string") return fillSettings(value, lookup, unknown);
    if (Array.isArray(value)) return value.map((item) => walk(item, path));
    if (!isMap(value)) return value;
    const entries = Object.entries(value).flatMap(([key, inner]): [string, Value][] => {
      if (inner !== null || path.at(-1) !== "environment")
        return [[key, walk(inner, [...path, key])]];
      const isSet = fillSettings(`\${${key}}`, lookup, unknown) !== "" && lookup(key)?.value !== "";
      return isSet ? [[key, fillSettings(`\${${key}}`, lookup, unknown)]] : [];
    });
    return Object.fromEntries(entries);
  };
  const filled = walk(model, []) as ValueMap;
  if (unknown.size > 0) {
    throw new Problem("SOURCE_INVALID", "the stack's sources name settings that do not exist", {
      details: [...unknown].map((name) => `compose/: \${${name}}: expected a declared setting`),
    });
  }
  return filled;
}
