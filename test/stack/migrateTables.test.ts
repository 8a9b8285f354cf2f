import assert from "node:assert/strict";
import test from "node:test";
import { migrateRetention, migrateTables } from "../../scripts/stack/versionSteps.ts";

const create =
  "CREATE TABLE otel.otel_traces (`Timestamp` DateTime64(9)) ENGINE = MergeTree ORDER BY Timestamp TTL toDateTime(Timestamp) + toIntervalDay(30) SETTINGS ttl_only_drop_parts = 1";

test("rows that are retained for as long as is set are left alone, in whatever unit", () => {
  assert.equal(migrateRetention("otel_traces", create, 30 * 86_400), undefined);
  const hours = create.replace("toIntervalDay(30)", "toIntervalHour(720)");
  assert.equal(migrateRetention("otel_traces", hours, 30 * 86_400), undefined);
});

test("another age is set on the same column", () => {
  assert.equal(
    migrateRetention("otel_traces", create, 3600),
    "ALTER TABLE `otel_traces` MODIFY TTL toDateTime(Timestamp) + toIntervalSecond(3600)",
  );
});

test("a table without a limit stays without", () => {
  assert.equal(
    migrateRetention("t", create.replace(/ TTL .* SETTINGS/, " SETTINGS"), 3600),
    undefined,
  );
});

test("the tables a version needs are those of all versions up to it", () => {
  const [oldest, newest] = [migrateTables("0.96.0"), migrateTables("0.161.0")];
  assert.ok(newest.some((sql) => sql.includes("ServiceName")));
  assert.ok(!oldest.some((sql) => sql.includes("ServiceName")));
  assert.ok(
    oldest.some((sql) => sql.includes("AggTemp Int32 DEFAULT AggregationTemporality")),
    "on newer tables the old version needs its own column back",
  );
});
