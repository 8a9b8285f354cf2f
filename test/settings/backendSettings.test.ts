import assert from "node:assert/strict";
import { test } from "node:test";
import { project } from "./project.ts";

const secrets = "LETTA_PG_PASSWORD=kR7mQ2vX9bT4nL6w\nLETTA_SERVER_PASSWORD=uT5pW8zE3cH1\n";

test("a backend's address without what it needs is refused, so that nothing goes to files unseen", (context) => {
  const { write, refusal } = project(context);
  for (const [line, missing] of [
    ["CLICKHOUSE_ENDPOINT=https://clickhouse.example:8443", "CLICKHOUSE_PASSWORD"],
    ["SIGNOZ_ENDPOINT=ingest.eu.signoz.cloud:443", "SIGNOZ_INGESTION_KEY"],
  ] as const) {
    write("env/dev.secrets.env", `${secrets}${line}\n`);
    const words = refusal("dev").details.join("\n");
    assert.match(words, new RegExp(`${line.split("=")[0]}: expected ${missing} to be set too`));
  }
});

test("a SigNoz of one's own, and Datadog alone, are whole", (context) => {
  const { write, read } = project(context);
  for (const line of [
    "SIGNOZ_ENDPOINT=http://192.0.2.20:4317",
    "SIGNOZ_ENDPOINT=https://signoz.example:4317",
    "DD_API_KEY=0123456789abcdef",
  ]) {
    write("env/dev.secrets.env", `${secrets}${line}\n`);
    assert.ok(read("dev").has(line.split("=")[0] as "DD_API_KEY"));
  }
});
