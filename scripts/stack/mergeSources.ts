import { Problem } from "../common/problem.ts";
import type { Source } from "./readSources.ts";

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type ValueMap = { [key: string]: Value };

/** What Compose does with a list that a later file declares again (compose-spec, "Merge"). */
const replacedLists = new Set(["command", "entrypoint"]);
const appendedLists = new Set(["configs", "ports", "secrets", "volumes"]);

/**
 * One model from several Compose files, stricter than Compose: maps merge, scalars
 * replace, a list may be declared once, except where Compose replaces it (command,
 * entrypoint) or appends to it (configs, ports, secrets, volumes). `extends` is resolved in the file
 * it stands in.
 * @throws Problem SOURCE_INVALID naming the file and the path of a list declared twice
 */
export function mergeSources(sources: readonly Source[], library: readonly Source[]): ValueMap {
  const faults: string[] = [];
  let model: ValueMap = {};
  for (const source of sources) {
    const content = resolveExtends(source, library, faults);
    model = mergeMaps(model, content, source.file, [], faults);
  }
  if (faults.length > 0) {
    throw new Problem("SOURCE_INVALID", "the stack's sources contradict one another", {
      details: faults,
    });
  }
  return model;
}

function resolveExtends(source: Source, library: readonly Source[], faults: string[]): ValueMap {
  const content = structuredClone(source.content) as ValueMap;
  const services = (content["services"] ?? {}) as Record<string, ValueMap>;
  for (const [name, service] of Object.entries(services)) {
    if (!isMap(service)) continue;
    const requested = service["extends"] as { file: string; service: string } | undefined;
    if (requested === undefined) continue;
    const found = library.find((one) => one.file.endsWith(`/${requested.file}`));
    const base = (found?.content["services"] as Record<string, ValueMap> | undefined)?.[
      requested.service
    ];
    if (base === undefined) {
      faults.push(
        `${source.file}: services.${name}.extends: expected a service of ${requested.file}, got ${requested.service}`,
      );
      continue;
    }
    const { extends: _resolved, ...own } = service;
    const path = ["services", name];
    services[name] = mergeMaps(structuredClone(base), own as ValueMap, source.file, path, faults);
  }
  return content;
}

function mergeMaps(
  below: ValueMap,
  above: ValueMap,
  file: string,
  path: readonly string[],
  faults: string[],
): ValueMap {
  const merged: ValueMap = { ...below };
  for (const [key, value] of Object.entries(above)) {
    merged[key] =
      key in below ? mergeValues(below[key]!, value, file, [...path, key], faults) : value;
  }
  return merged;
}

function mergeValues(
  below: Value,
  above: Value,
  file: string,
  path: readonly string[],
  faults: string[],
): Value {
  const key = path.at(-1)!;
  if (isMap(below) && isMap(above)) return mergeMaps(below, above, file, path, faults);
  if (Array.isArray(below) && Array.isArray(above)) {
    if (replacedLists.has(key)) return above;
    if (appendedLists.has(key)) return [...below, ...above];
    faults.push(`${file}: ${path.join(".")}: expected a list declared once, got it a second time`);
    return below;
  }
  if (isMap(below) || Array.isArray(below) || isMap(above) || Array.isArray(above)) {
    faults.push(`${file}: ${path.join(".")}: expected the same kind of value as before`);
  }
  return above;
}

/** Whether a value of the model is a map. */
export function isMap(value: Value | undefined): value is ValueMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
