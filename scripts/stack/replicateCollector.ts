import { isMap, type Value, type ValueMap } from "./mergeSources.ts";

/**
 * More collectors behind the one name `collector`: each a copy of it with a volume, and so a
 * queue, of its own, without published ports and without the log files of server and proxy,
 * which one of them reads. Telemetry sent to `collector:4317` goes to whichever address the sender resolves.
 * @param model merged sources; it is not changed
 * @param replicas how many there are in all; each of the others runs the config of its own name
 */
export function replicateCollector(model: ValueMap, replicas: number): ValueMap {
  if (replicas <= 1) return model;
  const services = { ...(model["services"] as ValueMap) };
  const volumes = { ...(model["volumes"] as ValueMap) };
  const permissions = structuredClone(services["permissions"]) as ValueMap;
  for (let number = 2; number <= replicas; number++) {
    const { ports: _ports, ...copy } = structuredClone(services["collector"]) as ValueMap;
    services[`collector-${number}`] = {
      ...copy,
      configs: list(copy["configs"]).map((one) =>
        isMap(one) && one["source"] === "collector"
          ? { ...one, source: `collector-${number}` }
          : one,
      ),
      volumes: list(copy["volumes"])
        .map(String)
        .filter((mount) => !/^(?:logs|access):/.test(mount))
        .map((mount) => mount.replace(/^telemetry:/, `telemetry-${number}:`)),
      networks: { telemetry: { aliases: ["collector"] } },
    };
    volumes[`telemetry-${number}`] = {};
    permissions["volumes"] = [
      ...list(permissions["volumes"]),
      `telemetry-${number}:/telemetry-${number}`,
    ];
  }
  return { ...model, services: { ...services, permissions }, volumes };
}

function list(value: Value | undefined): Value[] {
  return Array.isArray(value) ? value : [];
}
