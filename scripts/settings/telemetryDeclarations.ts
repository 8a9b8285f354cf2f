import { declare, type Declaration } from "./declare.ts";
import { environmentNames } from "./environmentName.ts";
import { kind } from "./kind.ts";

const required = environmentNames;

/** Made up where the part is the stack's own. */
function password(whose: string): Declaration {
  const about = `password of ${whose}`;
  return { about, ...kind.any, expected: "a password", secret: true, generated: "password" };
}

/** Telemetry: where it goes, in which portions, and at which ports it is taken in. */
export const telemetryDeclarations = declare({
  OTEL_VERSION: { about: "version of the collector", ...kind.version, required },
  TELEMETRY_REQUIRED: {
    about: "whether what makes or changes a collector fails where telemetry does not arrive",
    ...kind.flag,
    required,
  },

  CLICKHOUSE: {
    about: "whether ClickHouse is part of the stack, or outside if anywhere",
    ...kind.oneOf("bundled", "external"),
    required,
  },
  CLICKHOUSE_ENDPOINT: { about: "ClickHouse's HTTP interface", ...kind.clickHouse },
  CLICKHOUSE_DATABASE: { about: "database in ClickHouse", ...kind.identifier },
  CLICKHOUSE_USERNAME: { about: "user the collector writes as", ...kind.word },
  CLICKHOUSE_PASSWORD: password("the user that writes"),
  CLICKHOUSE_READER_USERNAME: {
    about: "user that Grafana, the server and the proof read as",
    ...kind.word,
  },
  CLICKHOUSE_READER_PASSWORD: password("the user that reads"),
  CLICKHOUSE_ADMIN_PASSWORD: password("admin of the bundled ClickHouse"),
  CLICKHOUSE_TTL: { about: "how long ClickHouse keeps telemetry", ...kind.duration, required },
  CLICKHOUSE_PUBLISH_PORT: { about: "loopback port of the bundled ClickHouse", ...kind.port },
  SIGNOZ_ENDPOINT: { about: "SigNoz, by OTLP over gRPC", ...kind.endpoint },
  SIGNOZ_INGESTION_KEY: {
    about: "ingestion key of SigNoz Cloud",
    ...kind.any,
    expected: "a key",
    secret: true,
  },
  DD_API_KEY: { about: "key of Datadog", ...kind.any, expected: "a key", secret: true },
  DD_SITE: { about: "site of Datadog", ...kind.hostName },
  DD_URL: { about: "where Datadog's intake is reached, if not at its site", ...kind.webUrl },
  OTEL_CA_FILE: { about: "certificate of a CA that exporters are to trust too", ...kind.directory },

  OTEL_GRPC_PORT: { about: "loopback port for OTLP over gRPC", ...kind.port, required },
  OTEL_HTTP_PORT: { about: "loopback port for OTLP over HTTP", ...kind.port, required },
  OTEL_HEALTH_PORT: { about: "loopback port of the collector's health", ...kind.port, required },
  OTEL_METRICS_PORT: { about: "loopback port of its own metrics", ...kind.port, required },
  OTEL_BATCH_TIMEOUT: { about: "longest wait for a full batch", ...kind.duration, required },
  OTEL_BATCH_SIZE: { about: "spans, points or lines per batch", ...kind.count, required },
  OTEL_FILE_DAYS: { about: "how many days telemetry files are kept", ...kind.count, required },
  OTEL_LOG_FILE: { about: "whether the server's log file is collected", ...kind.flag, required },
  OTEL_SAMPLING_PERCENT: {
    about: "how many of a hundred traces are kept",
    ...kind.percent,
    required,
  },
  OTEL_REMOVED_ATTRIBUTES: {
    about: "span attributes that are taken out, as a regular expression of their names",
    ...kind.pattern,
  },
  COLLECTOR_REPLICAS: { about: "how many collectors share the work", ...kind.few, required },
  OTEL_RELEASE_URL: { about: "where releases of the collector are downloaded", ...kind.webUrl },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: "where the tool's own traces go, if not to the stack's collector",
    ...kind.webUrl,
  },
  OTEL_BSP_SCHEDULE_DELAY: {
    about: "milliseconds the server gathers spans before it sends them",
    ...kind.count,
    required,
  },
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: {
    about: "spans the server sends at once",
    ...kind.count,
    required,
  },
  OTEL_BSP_MAX_QUEUE_SIZE: {
    about: "spans the server keeps while its collector is away, about 5 kB each",
    ...kind.count,
    required,
  },

  GRAFANA: { about: "whether Grafana is part of the stack", ...kind.flag, required },
  GRAFANA_PUBLISH_PORT: { about: "loopback port of Grafana", ...kind.port },
  GRAFANA_ADMIN_PASSWORD: {
    ...password("Grafana's admin"),
    ...kind.grafanaPassword,
  },
  GRAFANA_SECRET_KEY: {
    about: "key Grafana encrypts stored passwords with",
    ...kind.grafanaPassword,
    expected: "a key",
    secret: true,
    generated: "key",
  },
  GRAFANA_URL: { about: "Grafana as people reach it", ...kind.webUrl },
});
