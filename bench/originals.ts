export interface OriginalParts {
  /** Where each backend is reached from the collector. */
  readonly clickHouse: Readonly<Record<string, string>>;
  readonly database: string;
  readonly signoz: { readonly endpoint: string; readonly key: string };
}

export type OriginalName =
  | "file"
  | "file-dev"
  | "clickhouse"
  | "clickhouse-dev"
  | "clickhouse-prod"
  | "signoz";

/**
 * The six configurations that Letta shipped (otel/otel-collector-config-*.yaml), written anew
 * from their description in Letta's documentation of its collector, to be measured alongside
 * ours. What differs: values stand where `${NAME}` stood; the files go where the container may
 * write; the receivers of the dev ones listen on all addresses instead of localhost, or nothing
 * would reach them; clickhouse-prod is without Datadog.
 * @returns JSON, which is YAML
 */
export function original(name: OriginalName, parts: OriginalParts): string {
  const isDev = name.endsWith("-dev");
  const isFile = name.startsWith("file");
  const batch = isDev || isFile ? small : large;
  const exporters = {
    ...(name === "signoz" ? { otlp: signoz(parts) } : {}),
    ...(name.startsWith("clickhouse") ? { clickhouse: clickHouse(parts) } : {}),
    ...(isFile || isDev ? { file } : {}),
  };
  const ends = Object.keys(exporters);
  if (isDev || isFile) {
    const traces = { receivers: ["otlp"], processors: ["batch"], exporters: ends };
    const pipelines = { traces };
    return JSON.stringify({
      receivers: { otlp },
      processors: { batch },
      exporters,
      service: { pipelines },
    });
  }
  const processors = ["memory_limiter", "batch"];
  return JSON.stringify({
    extensions: { health_check: {}, pprof: {}, zpages: {} },
    receivers: { otlp, filelog },
    processors: { batch, memory_limiter: limiter, resource },
    exporters,
    service: {
      extensions: ["health_check", "pprof", "zpages"],
      telemetry: { logs: { level: "error" }, metrics: { address: "0.0.0.0:8888" } },
      pipelines: {
        traces: { receivers: ["otlp"], processors, exporters: ends },
        metrics: { receivers: ["otlp"], processors, exporters: ends },
        logs: { receivers: ["filelog"], processors: ["resource", ...processors], exporters: ends },
      },
    },
  });
}

const otlp = {
  protocols: { grpc: { endpoint: "0.0.0.0:4317" }, http: { endpoint: "0.0.0.0:4318" } },
};
const small = { timeout: "1s", send_batch_size: 1024 };
const large = { timeout: "10s", send_batch_size: 8192 };
const limiter = { check_interval: "1s", limit_mib: 1024, spike_limit_mib: 256 };
const filelog = { include: ["/root/.letta/logs/Letta.log"] };
const resource = { attributes: [{ key: "environment", value: "prod", action: "upsert" }] };
const file = {
  path: "/var/lib/otelcol/traces.json",
  rotation: { max_megabytes: 100, max_days: 7, max_backups: 5 },
};

function clickHouse({ clickHouse: settings, database }: OriginalParts) {
  return {
    endpoint: settings["CLICKHOUSE_ENDPOINT"],
    database,
    username: settings["CLICKHOUSE_USERNAME"],
    password: settings["CLICKHOUSE_PASSWORD"],
    timeout: "5s",
    sending_queue: { queue_size: 100 },
    retry_on_failure: {
      enabled: true,
      initial_interval: "5s",
      max_interval: "30s",
      max_elapsed_time: "300s",
    },
  };
}

function signoz({ signoz: { endpoint, key } }: OriginalParts) {
  return { endpoint, headers: { "signoz-ingestion-key": key } };
}
