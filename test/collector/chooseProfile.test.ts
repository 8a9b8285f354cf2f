import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseProfile } from "../../scripts/collector/chooseProfile.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { lookupOf } from "../stack/exampleStack.ts";
import { backends } from "./backends.ts";

const chosen = (environment: string, values: Record<string, string>) => {
  const { profile, fragments } = chooseProfile(
    environment,
    lookupOf(new Map(Object.entries(values))),
  );
  return `${profile}: ${fragments.join(" ")}`;
};

const table: readonly [string, string, Record<string, string>, string][] = [
  ["prod", "nothing", {}, "file: base file"],
  ["prod", "ClickHouse", backends.clickhouse, "clickhouse: base queue clickhouse"],
  ["prod", "SigNoz", backends.signoz, "signoz: base queue signoz"],
  [
    "prod",
    "both",
    { ...backends.clickhouse, ...backends.signoz },
    "clickhouse: base queue clickhouse",
  ],
  [
    "prod",
    "ClickHouse and Datadog",
    backends["clickhouse+datadog"],
    "clickhouse: base queue clickhouse datadog",
  ],
  ["dev", "ClickHouse", backends.clickhouse, "clickhouse: base queue clickhouse file"],
  ["development", "SigNoz", backends.signoz, "signoz: base queue signoz file"],
  ["dev", "nothing", {}, "file: base file"],
];

for (const [environment, what, values, expected] of table) {
  test(`${environment} with ${what} set → ${expected}`, () => {
    assert.equal(chosen(environment, values), expected);
  });
}

for (const half of [
  "CLICKHOUSE_ENDPOINT",
  "CLICKHOUSE_PASSWORD",
  "SIGNOZ_ENDPOINT",
  "SIGNOZ_INGESTION_KEY",
]) {
  test(`${half} alone chooses no backend`, () => {
    assert.equal(chosen("prod", { [half]: "x" }), "file: base file");
  });
}

for (const environment of environmentNames) {
  test(`${environment} says why it chose`, () => {
    const { cause } = chooseProfile(
      environment,
      lookupOf(new Map(Object.entries(backends.signoz))),
    );
    assert.equal(cause, "SIGNOZ_ENDPOINT and SIGNOZ_INGESTION_KEY are set");
  });
}
