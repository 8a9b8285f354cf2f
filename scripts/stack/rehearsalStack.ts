import { stringify } from "yaml";
import { isMap, type Value, type ValueMap } from "./mergeSources.ts";
import { readServices, type StackService } from "./readServices.ts";
import type { Stack } from "./renderStack.ts";

/** The setting a rehearsal's servers get their database from, in Compose's process environment. */
export const rehearsalUri = "REHEARSAL_PG_URI";

/** Servers of two releases on a copy of the database, without clients. */
export interface RehearsalStack {
  readonly project: string;
  readonly text: string;
  readonly services: readonly StackService[];
}

/**
 * The stack of a rehearsal: the given servers with their migration steps, made as in their
 * releases, on a copy of the database; no ports, no telemetry, nothing that stays.
 * @param rehearsedServers the stack each comes from, by the name its server gets here; its migration
 *   step is called `<name>-migrate`
 * @param network what reaches the database; "bridge" for one outside
 */
export function rehearsalStack(
  rehearsedServers: ReadonlyMap<string, Stack>,
  project: string,
  network: string,
): RehearsalStack {
  const services: ValueMap = {};
  const probes = new Set<string>();
  // What one release knows it must not reach holds for all: an older one may not say so yet.
  const quiet = [...rehearsedServers.values()].flatMap(({ server }) => server.quiet);
  for (const [name, stack] of rehearsedServers) {
    const { server } = stack;
    const of = (service: string) => (stack.model["services"] as ValueMap)[service] as ValueMap;
    probes.add(`${stack.project}_probe`);
    services[name] = rehearsed(of(server.service), quiet);
    const migrate = of(server.migrate);
    if (isMap(migrate)) services[`${name}-migrate`] = rehearsed(migrate, quiet);
  }
  const model: ValueMap = {
    name: project,
    services,
    networks: { backend: network === "bridge" ? {} : { external: true, name: network } },
    volumes: { probe: { external: true, name: [...probes][0] ?? "" } },
  };
  return {
    project,
    text: stringify(model, { compat: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false }),
    services: readServices(model),
  };
}

function rehearsed(service: ValueMap, quiet: readonly string[]): ValueMap {
  const { ports: _ports, labels: _labels, depends_on: _order, volumes, restart, ...own } = service;
  const mounts = (Array.isArray(volumes) ? volumes : []).map(String);
  const environment = Object.entries((service["environment"] ?? {}) as ValueMap).filter(
    ([name]) => !quiet.includes(name),
  );
  const retained = mounts.filter((mount) => mount.startsWith("probe:"));
  const emptied = mounts
    .filter((mount) => !retained.includes(mount))
    .map((mount) => mount.split(":")[1]!);
  const tmpfs: Value[] = [...((service["tmpfs"] as Value[] | undefined) ?? []), ...emptied.sort()];
  return {
    ...own,
    // What serves comes first where there is not enough for both.
    cpu_shares: 128,
    oom_score_adj: 1000,
    // A server that ends has failed: it is not started again.
    ...(restart === "no" ? { restart } : {}),
    environment: { ...Object.fromEntries(environment), LETTA_PG_URI: `\${${rehearsalUri}}` },
    networks: { backend: {} },
    tmpfs,
    ...(retained.length > 0 ? { volumes: retained } : {}),
  };
}
