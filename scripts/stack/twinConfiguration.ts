import { parse, stringify } from "yaml";

/** How a sink speaks that can stand for the one in a configuration. */
export type SinkKind = "clickhouse" | "otlp";

export interface TwinConfiguration {
  readonly text: string;
  /** The exporter that is left, and what it needs on the other side. */
  readonly exporter: string;
  readonly kind: SinkKind;
  /** For ClickHouse: who writes there, and into which database. */
  readonly user: string;
  readonly database: string;
}

type Node = { [key: string]: unknown };

interface Pipeline {
  receivers?: string[];
  exporters?: string[];
}

/**
 * A configuration for spans into a sink of one's own: receivers, processors, queue and retries
 * stay as they are, of the exporters only the first that leaves the machine, at another address.
 * @param sink the host name of the sink, at its kind's usual port
 * @returns undefined where nothing leaves the machine
 */
export function twinConfiguration(text: string, sink: string): TwinConfiguration | undefined {
  const configuration = parse(text, { version: "1.1" }) as Node;
  const service = configuration["service"] as Node;
  const pipelines = service["pipelines"] as Record<string, Pipeline>;
  const spans = Object.entries(pipelines).filter(([name]) => /^traces(?:\/|$)/.test(name));
  const exporter = spans
    .flatMap(([, pipeline]) => pipeline.exporters ?? [])
    .find((name) => kindOf(name) !== undefined);
  if (exporter === undefined) return undefined;
  const kind = kindOf(exporter)!;
  const own = (configuration["exporters"] as Record<string, Node>)[exporter]!;
  const address =
    kind === "clickhouse"
      ? { endpoint: `http://${sink}:8123` }
      : { endpoint: `${sink}:4317`, tls: { insecure: true } };
  configuration["exporters"] = { [exporter]: { ...own, ...address } };
  delete configuration["connectors"];
  service["pipelines"] = Object.fromEntries(
    spans
      .filter(([, pipeline]) => pipeline.exporters?.includes(exporter))
      .map(([name, pipeline]) => [
        name,
        { ...pipeline, receivers: ["otlp"], exporters: [exporter] },
      ]),
  );
  return {
    text: stringify(configuration, { compat: "yaml-1.1", lineWidth: 0 }),
    exporter,
    kind,
    user: String(own["username"] ?? "default"),
    database: String(own["database"] ?? "default"),
  };
}

/** OTLP over gRPC has another name from 0.144 on. */
function kindOf(exporter: string): SinkKind | undefined {
  const type = exporter.split("/")[0]!;
  if (type === "clickhouse") return type;
  return type === "otlp" || type === "otlp_grpc" ? "otlp" : undefined;
}
