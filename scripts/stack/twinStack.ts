import { stringify } from "yaml";
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
