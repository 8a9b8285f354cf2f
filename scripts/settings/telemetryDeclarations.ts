import { declare } from "./declare.ts";
import { environmentNames } from "./environmentName.ts";
import { kind } from "./kind.ts";

const required = environmentNames;

/** Telemetry: where it goes, in which portions, and at which ports it is taken in. */
export const telemetryDeclarations = declare({
  OTEL_VERSION: { about: "version of the collector", ...kind.version, required },

  CLICKHOUSE_ENDPOINT: { about: "ClickHouse's HTTP interface", ...kind.clickHouse },
  CLICKHOUSE_DATABASE: { about: "database in ClickHouse", ...kind.identifier },
  CLICKHOUSE_USERNAME: { about: "user of ClickHouse", ...kind.word },
  CLICKHOUSE_PASSWORD: {
    about: "password of that user",
    ...kind.any,
    expected: "a password",
    secret: true,
  },
  SIGNOZ_ENDPOINT: { about: "SigNoz, by OTLP over gRPC", ...kind.endpoint },
  SIGNOZ_INGESTION_KEY: {
    about: "ingestion key of SigNoz Cloud",
    ...kind.any,
    expected: "a key",
    secret: true,
  },
  DD_API_KEY: { about: "key of Datadog", ...kind.any, expected: "a key", secret: true },
  DD_SITE: { about: "site of Datadog", ...kind.hostName },

  OTEL_GRPC_PORT: { about: "loopback port for OTLP over gRPC", ...kind.port, required },
  OTEL_HTTP_PORT: { about: "loopback port for OTLP over HTTP", ...kind.port, required },
  OTEL_HEALTH_PORT: { about: "loopback port of the collector's health", ...kind.port, required },
  OTEL_METRICS_PORT: { about: "loopback port of its own metrics", ...kind.port, required },
  OTEL_BATCH_TIMEOUT: { about: "longest wait for a full batch", ...kind.duration, required },
  OTEL_BATCH_SIZE: { about: "spans, points or lines per batch", ...kind.count, required },
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

  GRAFANA: { about: "whether Grafana is part of the stack", ...kind.flag, required },
  GRAFANA_URL: { about: "Grafana as people reach it", ...kind.webUrl },
});
