import assert from "node:assert/strict";
import { test } from "node:test";
import { checkTelemetrySettings } from "../../scripts/checks/checkTelemetrySettings.ts";
import type { Profile } from "../../scripts/stack/fragments.ts";

/** Outcome, detail and next command of one of the three. */
function found(name: string, profile: Profile, values: Readonly<Record<string, string>>) {
  const get = (setting: string) => values[setting] ?? "";
  const all = checkTelemetrySettings({ environment: "prod", profile, get });
  return all.find((one) => one.name === `${name} settings`)!;
}

const clickHouse = {
  CLICKHOUSE_ENDPOINT: "http://ch:8123",
  CLICKHOUSE_DATABASE: "otel",
  CLICKHOUSE_USERNAME: "writer",
  CLICKHOUSE_PASSWORD: "secret-of-clickhouse",
};

test("an exporter of which nothing is set is nothing to look at", () => {
  for (const name of ["ClickHouse", "SigNoz", "Datadog"]) {
    assert.equal(found(name, "file", {}).outcome, "skipped", name);
  }
});

test("each of ClickHouse's four settings that is missing is named, and where telemetry goes instead", () => {
  for (const missing of Object.keys(clickHouse)) {
    const { outcome, detail, next } = found("ClickHouse", "file", { ...clickHouse, [missing]: "" });
    assert.equal(outcome, "failed");
    assert.ok(detail.startsWith(`${missing}: expected a value`), detail);
    assert.match(detail, /now telemetry goes to files$/);
    assert.equal(next, `npm run settings -- prod --explain ${missing}`);
  }
});

test("all four are right, and the password is not reported", () => {
  const { outcome, detail } = found("ClickHouse", "clickhouse", clickHouse);
  assert.equal(outcome, "passed");
  assert.ok(!detail.includes(clickHouse.CLICKHOUSE_PASSWORD));
});

test("a SigNoz endpoint without its key is reported, and so is that ClickHouse comes first", () => {
  const endpoint = { SIGNOZ_ENDPOINT: "ingest.eu.signoz.cloud:443" };
  assert.match(found("SigNoz", "file", endpoint).detail, /^SIGNOZ_INGESTION_KEY: expected/);
  const whole = { ...endpoint, SIGNOZ_INGESTION_KEY: "key" };
  assert.equal(found("SigNoz", "signoz", whole).outcome, "passed");
  assert.equal(found("SigNoz", "clickhouse", whole).outcome, "skipped");
});

test("a SigNoz of one's own needs no key", () => {
  const own = { SIGNOZ_ENDPOINT: "http://192.0.2.20:4317" };
  assert.equal(found("SigNoz", "signoz", own).outcome, "passed");
});

test("a Datadog key sends alone or with ClickHouse, a site without a key sends nothing", () => {
  assert.equal(found("Datadog", "clickhouse", { DD_API_KEY: "key" }).outcome, "passed");
  assert.equal(found("Datadog", "datadog", { DD_API_KEY: "key" }).outcome, "passed");
  assert.match(found("Datadog", "clickhouse", { DD_SITE: "datadoghq.eu" }).detail, /^DD_API_KEY/);
});
