import { defineSettings, type SettingDefinition, valueType } from "./defineSettings.ts";
import { environmentNames } from "./environmentName.ts";

const required = environmentNames;

/** Made up where the part is the stack's own. */
function password(whose: string): SettingDefinition {
  const description = `password of ${whose}`;
  return {
    description,
    ...valueType.any,
    expected: "a password",
    secret: true,
    generated: "password",
  };
}

/** SigNoz Cloud, which takes nothing without a key; a SigNoz of one's own has none. */
export function isSigNozCloud(endpoint: string): boolean {
  return /^(?:https?:\/\/)?(?:[^/]*\.)?signoz\.cloud(?::\d+)?$/iu.test(endpoint);
}

/** Telemetry: where it goes, in which portions, and at which ports it is taken in. */
export const telemetrySettings = defineSettings({
  OTEL_VERSION: {
    image: true,
    description: "version of the collector",
    ...valueType.version,
    required,
  },
  TELEMETRY_REQUIRED: {
    scope: "tool",
    description: "whether a deploy that changes the collector fails if telemetry does not arrive",
    ...valueType.flag,
    required,
  },

  CLICKHOUSE_MODE: {
    description: "bundled: ClickHouse is part of the stack; external: any other ClickHouse",
    ...valueType.oneOf("bundled", "external"),
    required,
  },
  CLICKHOUSE_ENDPOINT: { description: "ClickHouse's HTTP interface", ...valueType.clickHouse },
  CLICKHOUSE_DATABASE: { description: "database in ClickHouse", ...valueType.identifier },
  CLICKHOUSE_USERNAME: { description: "user the collector writes as", ...valueType.word },
  CLICKHOUSE_PASSWORD: password("the user that writes"),
  CLICKHOUSE_READER_USERNAME: {
    description: "user that Grafana, the server and the verification read as",
    ...valueType.word,
  },
  CLICKHOUSE_READER_PASSWORD: password("the user that reads"),
  CLICKHOUSE_ADMIN_PASSWORD: password("admin of the bundled ClickHouse"),
  CLICKHOUSE_TTL: {
    description: "how long ClickHouse keeps telemetry",
    ...valueType.duration,
    required,
  },
  CLICKHOUSE_PUBLISH_PORT: {
    description: "loopback port of the bundled ClickHouse",
    ...valueType.port,
  },
  SIGNOZ_ENDPOINT: {
    description: "SigNoz, by OTLP over gRPC; a SigNoz of one's own needs no key",
    ...valueType.endpoint,
  },
  SIGNOZ_INGESTION_KEY: {
    description: "ingestion key of SigNoz Cloud",
    ...valueType.any,
    expected: "a key",
    secret: true,
  },
  DD_API_KEY: {
    description: "key of Datadog, alone or with another backend",
    ...valueType.any,
    expected: "a key",
    secret: true,
  },
  DD_SITE: { description: "site of Datadog", ...valueType.hostName },
  DD_URL: {
    description: "where Datadog's intake is reached, if not at its site",
    ...valueType.webUrl,
  },
  OTEL_CA_FILE: {
    description: "additional CA certificate (PEM) that exporters trust",
    ...valueType.directory,
  },

  OTEL_GRPC_PORT: { description: "loopback port for OTLP over gRPC", ...valueType.port, required },
  OTEL_HTTP_PORT: { description: "loopback port for OTLP over HTTP", ...valueType.port, required },
  OTEL_HEALTH_PORT: {
    description: "loopback port of the collector's health",
    ...valueType.port,
    required,
  },
  OTEL_METRICS_PORT: {
    description: "loopback port of its own metrics",
    ...valueType.port,
    required,
  },
  OTEL_BATCH_TIMEOUT: {
    description: "longest time before a batch is sent",
    ...valueType.duration,
    required,
  },
  OTEL_BATCH_SIZE: {
    description: "spans, points or lines per batch",
    ...valueType.count,
    required,
  },
  OTEL_FILE_DAYS: {
    description: "how many days telemetry files are retained",
    ...valueType.count,
    required,
  },
  OTEL_LOG_FILE: {
    description: "whether the server's log file is collected",
    ...valueType.flag,
    required,
  },
  OTEL_SAMPLING_PERCENT: {
    description: "percentage of traces that are retained",
    ...valueType.percent,
    required,
  },
  OTEL_REMOVED_ATTRIBUTES: {
    description: "regular expression of span attributes to remove",
    ...valueType.pattern,
  },
  COLLECTOR_REPLICAS: {
    description: "how many collectors share the work",
    ...valueType.few,
    required,
  },
  OTEL_RELEASE_URL: {
    scope: "tool",
    description: "where releases of the collector are downloaded",
    ...valueType.webUrl,
  },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    scope: "tool",
    description: "where the tool's own traces go, if not to the stack's collector",
    ...valueType.webUrl,
  },
  OTEL_BSP_SCHEDULE_DELAY: {
    description: "milliseconds the server gathers spans before it sends them",
    ...valueType.count,
    required,
  },
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: {
    description: "spans the server sends at once",
    ...valueType.count,
    required,
  },
  OTEL_BSP_MAX_QUEUE_SIZE: {
    description: "spans the server keeps while its collector is away, about 5 kB each",
    ...valueType.count,
    required,
  },

  GRAFANA_ENABLED: {
    description: "whether Grafana is part of the stack",
    ...valueType.flag,
    required,
  },
  GRAFANA_PUBLISH_PORT: { description: "loopback port of Grafana", ...valueType.port },
  GRAFANA_ADMIN_PASSWORD: {
    ...password("Grafana's admin"),
    ...valueType.grafanaPassword,
    fixed: [
      "Grafana takes it at its first start alone: change it in Grafana, then set it here",
      "set",
    ],
  },
  GRAFANA_SECRET_KEY: {
    description: "key Grafana encrypts stored passwords with",
    ...valueType.grafanaPassword,
    expected: "a key",
    secret: true,
    generated: "key",
    fixed: ["it must not change: Grafana could not read what it stored encrypted under it", "list"],
  },
  GRAFANA_URL: { description: "URL at which browsers reach Grafana", ...valueType.webUrl },
});
