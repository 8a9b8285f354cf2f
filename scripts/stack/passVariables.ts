import { serverVariables } from "../settings/serverVariables.ts";
import type { Lookup } from "../settings/fillSettings.ts";
import { isMap, type ValueMap } from "./mergeSources.ts";

/** Traffic within the stack never goes through a proxy. */
const internal = ["localhost", "127.0.0.1", "postgres", "collector", "clickhouse", "redis"];

const isSet = (lookup: Lookup, name: string) => (lookup(name)?.value ?? "") !== "";

/**
 * Adds the server's own variables that are set to the environment of the server and of its
 * migrations, which read the same settings. An unset one is left out: the server takes an empty
 * value for one that is set.
 * @param model the merged sources, before interpolation; its services may be changed
 */
export function passVariables(model: ValueMap, lookup: Lookup): ValueMap {
  const role = model["x-app"];
  const services = model["services"];
  if (!isMap(role) || !isMap(services)) return model;
  const set = Object.keys(serverVariables).filter((name) => isSet(lookup, name));
  const passed: ValueMap = Object.fromEntries(set.map((name) => [name, `\${${name}}`]));
  if (set.some((name) => name.endsWith("_PROXY"))) {
    const own = isSet(lookup, "NO_PROXY") ? ["${NO_PROXY}"] : [];
    passed["NO_PROXY"] = [...own, ...internal].join(",");
  }
  const meant = [role["service"], role["migrate"]];
  const changed = Object.entries(services).map(([name, service]) => {
    if (!meant.includes(name) || !isMap(service)) return [name, service];
    const own = isMap(service["environment"]) ? service["environment"] : {};
    return [name, { ...service, environment: { ...passed, ...own } }];
  });
  return { ...model, services: Object.fromEntries(changed) as ValueMap };
}
