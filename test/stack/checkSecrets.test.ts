import assert from "node:assert/strict";
import { test } from "node:test";
import { triedVersions } from "../../scripts/stack/versionSteps.ts";
import { backends } from "./backends.ts";
import { composed } from "./composed.ts";

const { oldest, newest } = triedVersions;
const versions = [oldest, newest];

const withPassword = (password: string, version: string) =>
  composed("dev", { ...backends.clickhouse, CLICKHOUSE_PASSWORD: password }, { version });

for (const password of [
  "p$x",
  "$HOME",
  "#1 'two' \"three\" %41",
  "0123",
  "*a",
  "[x",
  "null",
  "a:b@c/d?",
]) {
  test(`a password ${password} is left to the collector at every version`, () => {
    for (const version of versions) {
      assert.ok(withPassword(password, version).includes("password: ${CLICKHOUSE_PASSWORD}"));
    }
  });
}

const changed = "expected none of $$ and ${, got one: the collector from 0.104.0 on changes it";
const refused: readonly [string, string, string | undefined][] = [
  ["a$$b", oldest, undefined],
  ["a$$b", newest, changed],
  ["a${HOME}b", oldest, undefined],
  ["a${HOME}b", newest, changed],
  ["two\nlines", oldest, "expected no control character, got one: no header carries it"],
  ["pw-1d ", oldest, "expected no space at its ends, got one: a header loses it"],
  ["pässword", oldest, undefined],
];

for (const [password, version, fault] of refused) {
  const description = JSON.stringify(password);
  test(`a password ${description} at ${version} is ${fault === undefined ? "passed on" : "refused"}`, () => {
    if (fault === undefined) return void withPassword(password, version);
    assert.throws(
      () => withPassword(password, version),
      ({ details }: { details: string[] }) => {
        const [reported = "", ...more] = details;
        assert.match(reported, /^otel\/clickhouse\.yaml:\d+: CLICKHOUSE_PASSWORD: /);
        assert.ok(reported.endsWith(fault) && !reported.includes(password), reported);
        assert.deepEqual(more, []);
        return true;
      },
    );
  });
}

test("a key that no header of gRPC carries is refused for SigNoz", () => {
  const key = { ...backends.signoz, SIGNOZ_INGESTION_KEY: "schlüssel" };
  assert.throws(
    () => composed("dev", key),
    ({ details }: { details: string[] }) =>
      /^otel\/signoz-key\.yaml:\d+: SIGNOZ_INGESTION_KEY: expected ASCII/.test(details.join("\n")),
  );
});
