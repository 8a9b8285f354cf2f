const clickhouse = {
  CLICKHOUSE_ENDPOINT: "http://clickhouse:8123",
  CLICKHOUSE_DATABASE: "otel",
  CLICKHOUSE_USERNAME: "letta",
  CLICKHOUSE_PASSWORD: "clickhouse-secret-1d",
};

/** The settings that stand for each way telemetry can go. */
export const backends = {
  file: {},
  clickhouse,
  signoz: {
    SIGNOZ_ENDPOINT: "https://ingest.example:443",
    SIGNOZ_INGESTION_KEY: "signoz-secret-2e",
  },
  "clickhouse+datadog": { ...clickhouse, DD_API_KEY: "datadog-secret-3f", DD_SITE: "datadoghq.eu" },
} as const satisfies Record<string, Record<string, string>>;
