import assert from "node:assert/strict";
import { test } from "node:test";
import { compare } from "semver";
import { listSteps, triedVersions, versionSteps } from "../../scripts/stack/versionSteps.ts";

const { oldest, newest } = triedVersions;
const versions = (from: string, to: string) => listSteps(from, to).map((step) => step.version);

test("from the oldest to the newest every step is met, in order", () => {
  assert.deepEqual(
    versions(oldest, newest),
    versionSteps.map((step) => step.version),
  );
  for (const [index, { version }] of versionSteps.entries()) {
    const before = versionSteps[index - 1]?.version ?? oldest;
    assert.ok(compare(before, version) <= 0, `${version} after ${before}`);
  }
});

test("the way down meets them the other way round", () => {
  assert.deepEqual(versions(newest, oldest), versions(oldest, newest).reverse());
});

test("a step belongs to the version that has it, not to the one before", () => {
  assert.deepEqual(versions("0.110.0", "0.111.0"), ["0.111.0"]);
  assert.deepEqual(versions("0.111.0", "0.112.0"), []);
  assert.deepEqual(versions("0.111.0", "0.110.0"), ["0.111.0"]);
});

test("tables of 0.96.0 get the columns that later versions write", () => {
  const sql = listSteps(oldest, newest).flatMap((step) => step.sql);
  for (const table of ["gauge", "sum", "histogram", "exponential_histogram", "summary"]) {
    assert.ok(
      sql.some((one) => one.includes(`otel_metrics_${table} ADD COLUMN IF NOT EXISTS ServiceName`)),
    );
  }
  assert.ok(sql.every((one) => one.includes(" IF NOT EXISTS ")));
});

test("nothing is taken from a table on either way, so that both versions can write to it", () => {
  const sql = [...listSteps(oldest, newest), ...listSteps(newest, oldest)].flatMap(
    (one) => one.sql,
  );
  assert.deepEqual(
    sql.filter((one) => /\b(?:DROP|RENAME|MODIFY|DELETE)\b/i.test(one)),
    [],
  );
});

test("every step says what it is about and where that is written", () => {
  for (const { version, description, source } of versionSteps) {
    assert.ok(description !== "" && source !== "", version);
  }
});
