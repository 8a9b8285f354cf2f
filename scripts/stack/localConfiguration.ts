import { parse, stringify } from "yaml";

/** What is elsewhere on a host than in the collector's container. */
export interface LocalPlaces {
  /** Instead of /var/lib/otelcol. */
  readonly data: string;
  /** Instead of /var/log/letta. */
  readonly logs: string;
  /** This machine's port for each of the container's: 4317, 4318, 13133, 8888. */
  readonly ports: ReadonlyMap<number, number>;
}

type Node = { [key: string]: unknown };

const folders = { "/var/lib/otelcol": "data", "/var/log/letta": "logs" } as const;

/**
 * A configuration that was composed for a container, for a process of this host: its files in
 * directories of ours, and everything it listens on at the loopback only. Where exporters send
 * to is left as it is.
 * @param text YAML as composeConfiguration gives it
 * @returns YAML text
 */
export function localConfiguration(text: string, places: LocalPlaces): string {
  const { exporters, ...others } = parse(text) as Node;
  const moved = each(others, (value) => relocated(value, places));
  const configuration: Node = { ...(each(moved, (value) => listening(value, places)) as Node) };
  if (exporters) configuration["exporters"] = each(exporters, (value) => relocated(value, places));
  return stringify(configuration, { compat: "yaml-1.1", lineWidth: 0 });
}

/** A copy in which every value was changed, those within others first. */
function each(value: unknown, change: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => each(one, change));
  if (!isNode(value)) return change(value);
  return change(
    Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, each(inner, change)])),
  );
}

/** An address of the container's loopback, or of all its networks, is one of ours. */
function listening(value: unknown, { ports }: LocalPlaces): unknown {
  if (typeof value === "string") {
    const [, port] = /^(?:0\.0\.0\.0|localhost|127\.0\.0\.1):(\d+)$/.exec(value) ?? [];
    return port === undefined ? value : `127.0.0.1:${ports.get(Number(port)) ?? port}`;
  }
  // Later versions name the listener of their own metrics so.
  if (!isNode(value) || value["host"] !== "0.0.0.0") return value;
  const port = value["port"];
  return { ...value, host: "127.0.0.1", port: ports.get(Number(port)) ?? port };
}

function relocated(value: unknown, places: LocalPlaces): unknown {
  if (typeof value !== "string") return value;
  for (const [folder, place] of Object.entries(folders)) {
    if (value !== folder && !value.startsWith(`${folder}/`)) continue;
    // A $ in a path would be taken for a setting's.
    return places[place].replaceAll("$", "$$$$") + value.slice(folder.length);
  }
  return value;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
