import { parse, stringify } from "yaml";
import { isMap, type Value, type ValueMap } from "./mergeSources.ts";
import { readServices, type StackService } from "./readServices.ts";
import type { Stack } from "./renderStack.ts";

/** What stands for the sink of a twin. */
export type TwinSink =
  /** ClickHouse's image, where the stack has no ClickHouse of its own to make it like. */
  | {
      readonly kind: "clickhouse";
      readonly image: string;
      readonly user: string;
      readonly database: string;
    }
  /** A second collector that writes what it gets into a file. */
  | { readonly kind: "otlp" };

export interface TwinStack {
  readonly project: string;
  readonly text: string;
  readonly services: readonly StackService[];
}

/** The sink's name in the twin, for the collector's configuration. */
export const twinSinkName = "clickhouse";
/** Where the OTLP sink writes. */
export const twinSinkFile = "/received.json";

const received = {
  extensions: { health_check: { endpoint: "0.0.0.0:13133" } },
  receivers: { otlp: { protocols: { grpc: { endpoint: "0.0.0.0:4317" } } } },
  // Without rotation it begins the file anew at every start.
  exporters: { file: { path: twinSinkFile, rotation: { max_megabytes: 100 } } },
  service: {
    extensions: ["health_check"],
    pipelines: { traces: { receivers: ["otlp"], exporters: ["file"] } },
  },
};

/**
 * A throw-away twin of a stack's telemetry: its collector, made as in the stack but for its
 * configuration, and a sink, on a network of their own that leads nowhere. No ports, and no
 * volume of the stack but the probe's.
 * @param configuration what the collector runs, as twinConfiguration made it
 */
export function twinStack(
  stack: Stack,
  project: string,
  configuration: string,
  sink: TwinSink,
): TwinStack {
  const services = stack.model["services"] as Record<string, ValueMap>;
  const collector = services["collector"]!;
  const bundled = services[twinSinkName];
  const retained = (stack.model["configs"] ?? {}) as ValueMap;
  const content = (text: string) => ({ content: text.replaceAll("$", "$$$$") });
  const sinkService =
    sink.kind === "otlp"
      ? otlpSink(collector)
      : bundled
        ? alone(bundled, `clickhouse:/var/lib/clickhouse`)
        : clickHouseSink(sink);
  const model: ValueMap = {
    name: project,
    services: { collector: withScratch(alone(collector)), [twinSinkName]: sinkService },
    networks: { telemetry: { internal: true } },
    volumes: {
      probe: { external: true, name: `${stack.project}_probe` },
      ...(sink.kind === "clickhouse" ? { clickhouse: {} } : {}),
    },
    configs: {
      ...Object.fromEntries(sourcesOf(sinkService).flatMap((name) => pick(retained, name))),
      collector: content(configuration),
      ...(sink.kind === "otlp" ? { received: content(stringify(received)) } : {}),
    },
  };
  return {
    project,
    text: stringify(model, { compat: "yaml-1.1", lineWidth: 0, aliasDuplicateObjects: false }),
    services: readServices(model),
  };
}

/** A service as in its stack, without what ties it to others; one that ends is not started again. */
function alone(service: ValueMap, ...volumes: string[]): ValueMap {
  const { ports: _ports, labels: _labels, depends_on: _order, restart: _again, ...own } = service;
  return {
    ...own,
    volumes: ["probe:/probe:ro", ...volumes],
    networks: { telemetry: {} },
  };
}

/** Queue and offsets go with the container. */
function withScratch(collector: ValueMap): ValueMap {
  const owned = (path: string) => `${path}:uid=10001,gid=10001,mode=0700`;
  const state = ["/var/lib/otelcol", "/var/lib/otelcol/queue"].map(owned);
  return { ...collector, tmpfs: [...list(collector["tmpfs"]), ...state, "/var/log/letta"] };
}

/** It writes into its own container's root, which a stop leaves as it is. */
function otlpSink(collector: ValueMap): ValueMap {
  const config = { source: "received", target: "/etc/otelcol-contrib/config.yaml" };
  return { ...alone(collector), configs: [config], environment: {}, user: "0:0" };
}

function clickHouseSink(sink: Extract<TwinSink, { kind: "clickhouse" }>): ValueMap {
  return {
    image: sink.image,
    init: true,
    user: "101:101",
    cap_drop: ["ALL"],
    security_opt: ["no-new-privileges:true"],
    environment: {
      CLICKHOUSE_DB: sink.database,
      CLICKHOUSE_USER: sink.user,
      CLICKHOUSE_PASSWORD: "${CLICKHOUSE_PASSWORD}",
    },
    volumes: ["probe:/probe:ro", "clickhouse:/var/lib/clickhouse"],
    tmpfs: ["/tmp"],
    networks: { telemetry: {} },
    mem_limit: "2g",
    pids_limit: 2048,
    healthcheck: {
      test: [
        "CMD",
        "/probe/busybox",
        "wget",
        "-q",
        "-Y",
        "off",
        "-O",
        "/dev/null",
        "http://127.0.0.1:8123/ping",
      ],
      interval: "10s",
      start_period: "60s",
      start_interval: "250ms",
    },
  };
}

function sourcesOf(service: ValueMap): string[] {
  return list(service["configs"]).flatMap((one) => (isMap(one) ? [String(one["source"])] : []));
}

function pick(from: ValueMap, name: string): [string, Value][] {
  const found = from[name];
  return found === undefined ? [] : [[name, found]];
}

function list(value: Value | undefined): Value[] {
  return Array.isArray(value) ? value : [];
}

/** How a sink speaks that can stand for the one in a configuration. */
type SinkKind = "clickhouse" | "otlp";

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
