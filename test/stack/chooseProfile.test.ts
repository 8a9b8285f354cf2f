import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chooseProfile } from "../../scripts/stack/fragments.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { lookupOf, root } from "./exampleStack.ts";
import { backends } from "./backends.ts";

const choose = (environment: string, values: Readonly<Record<string, string>>) =>
  chooseProfile(environment, lookupOf(new Map(Object.entries(values))));

const logs = { OTEL_LOG_FILE: "true" };
const both = { ...backends.clickhouse, ...backends.signoz };
const elsewhere = { ...backends["clickhouse+datadog"], DD_URL: "https://proxy.example" };
const careful = { OTEL_REMOVED_ATTRIBUTES: "^secret", OTEL_SAMPLING_PERCENT: "20" };

const table: readonly [string, string, Readonly<Record<string, string>>, string][] = [
  ["prod", "nothing", {}, "file: base file batch"],
  ["prod", "the log file", logs, "file: base queue file logs access batch"],
  ["prod", "ClickHouse", backends.clickhouse, "clickhouse: base queue clickhouse own batch"],
  ["prod", "SigNoz", backends.signoz, "signoz: base queue signoz signoz-key own batch"],
  [
    "prod",
    "a SigNoz of one's own",
    { SIGNOZ_ENDPOINT: "http://192.0.2.20:4317" },
    "signoz: base queue signoz signoz-plain own batch",
  ],
  ["prod", "both", both, "clickhouse: base queue clickhouse own batch"],
  [
    "prod",
    "ClickHouse and Datadog",
    backends["clickhouse+datadog"],
    "clickhouse: base queue clickhouse datadog datadog-site own batch",
  ],
  [
    "prod",
    "Datadog behind another address",
    elsewhere,
    "clickhouse: base queue clickhouse datadog datadog-site datadog-intake own batch",
  ],
  [
    "prod",
    "SigNoz and Datadog",
    { ...backends.signoz, DD_API_KEY: "x" },
    "signoz: base queue signoz signoz-key datadog own batch",
  ],
  ["prod", "Datadog alone", { DD_API_KEY: "x" }, "datadog: base queue datadog own batch"],
  ["dev", "Datadog alone", { DD_API_KEY: "x" }, "datadog: base queue datadog file own batch"],
  ["dev", "ClickHouse", backends.clickhouse, "clickhouse: base queue clickhouse file own batch"],
  ["development", "SigNoz", backends.signoz, "signoz: base queue signoz signoz-key file own batch"],
  ["dev", "nothing", {}, "file: base file batch"],
  [
    "staging",
    "all that takes out",
    { ...backends.clickhouse, ...logs, ...careful },
    "clickhouse: base queue clickhouse own logs access privacy sampling batch",
  ],
  ["prod", "all traces retained", { OTEL_SAMPLING_PERCENT: "100" }, "file: base file batch"],
  ["prod", "no trace retained", { OTEL_SAMPLING_PERCENT: "0" }, "file: base file sampling batch"],
];

for (const [environment, what, values, expected] of table) {
  test(`${environment} with ${what} → ${expected}`, () => {
    const { profile, fragments } = choose(environment, values);
    assert.equal(`${profile}: ${fragments.join(" ")}`, expected);
  });
}

for (const [half, value] of Object.entries({
  CLICKHOUSE_ENDPOINT: "http://clickhouse:8123",
  CLICKHOUSE_PASSWORD: "x",
  SIGNOZ_ENDPOINT: "ingest.eu.signoz.cloud:443",
  SIGNOZ_INGESTION_KEY: "x",
  DD_SITE: "datadoghq.eu",
})) {
  test(`${half} alone chooses no backend, and is named as unused`, () => {
    const { profile, unused } = choose("prod", { [half]: value });
    assert.deepEqual([profile, unused], ["file", [half]]);
  });
}

test("a SigNoz next to ClickHouse is named as unused", () => {
  assert.deepEqual(choose("prod", both).unused, ["SIGNOZ_ENDPOINT", "SIGNOZ_INGESTION_KEY"]);
  assert.deepEqual(choose("prod", backends["clickhouse+datadog"]).unused, []);
});

for (const environment of environmentNames) {
  test(`${environment} says why it chose, and why each fragment`, () => {
    const { cause, causes, fragments } = choose(environment, backends.signoz);
    assert.equal(cause, "SIGNOZ_ENDPOINT is set");
    assert.equal(causes["signoz"], cause);
    assert.deepEqual(Object.keys(causes), fragments);
  });
}

test("every fragment of otel/ is chosen by some settings", () => {
  const all = [
    ...choose("dev", { ...elsewhere, ...logs, ...careful, PROXY: "true" }).fragments,
    ...choose("dev", backends.signoz).fragments,
    ...choose("dev", { ...backends.signoz, SIGNOZ_ENDPOINT: "http://signoz:4317" }).fragments,
  ];
  const files = readdirSync(join(root, "otel"), { withFileTypes: true });
  const fragments = files.filter((one) => one.isFile() && one.name.endsWith(".yaml"));
  assert.deepEqual(
    fragments.map((one) => one.name.replace(".yaml", "")).filter((one) => !all.includes(one)),
    [],
  );
});
