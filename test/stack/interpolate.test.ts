import assert from "node:assert/strict";
import { test } from "node:test";
import { interpolate } from "../../scripts/stack/renderStack.ts";
import type { Lookup } from "../../scripts/settings/readSettings.ts";

const values: Record<string, { value: string; secret: boolean }> = {
  PORT: { value: "8283", secret: false },
  PRICE: { value: "5$ or $$", secret: false },
  REFERRING: { value: "${PORT}", secret: false },
  UNSET: { value: "", secret: false },
  PASSWORD: { value: "hunter22", secret: true },
  NO_PASSWORD: { value: "", secret: true },
};
const lookup: Lookup = (name) => values[name];

test("settings are written out wherever they stand", () => {
  assert.deepEqual(interpolate({ a: ["${PORT}:${PORT}"], b: { c: "x${PORT}y" } }, lookup), {
    a: ["8283:8283"],
    b: { c: "x8283y" },
  });
});

test("every dollar of a value is doubled, so that Compose reads it as one", () => {
  assert.deepEqual(interpolate({ a: "${PRICE}" }, lookup), { a: "5$$ or $$$$" });
});

test("a value that looks like a name is not looked up in its turn", () => {
  assert.deepEqual(interpolate({ a: "${REFERRING}" }, lookup), { a: "$${PORT}" });
});

test("a secret stays a name", () => {
  assert.deepEqual(interpolate({ a: "postgresql://u:${PASSWORD}@h" }, lookup), {
    a: "postgresql://u:${PASSWORD}@h",
  });
});

test("a dollar that a source doubled stays doubled", () => {
  assert.deepEqual(interpolate({ a: "$${PORT} $$x" }, lookup), { a: "$${PORT} $$x" });
});

test("an environment entry without a value takes the setting of its name", () => {
  assert.deepEqual(interpolate({ environment: { PORT: null, PASSWORD: null } }, lookup), {
    environment: { PORT: "8283", PASSWORD: "${PASSWORD}" },
  });
});

test("an environment entry without a value is left out where nothing is set", () => {
  assert.deepEqual(interpolate({ environment: { UNSET: null, NO_PASSWORD: null } }, lookup), {
    environment: {},
  });
});

test("nothing stays nothing outside of an environment", () => {
  assert.deepEqual(interpolate({ volumes: { data: null } }, lookup), { volumes: { data: null } });
});

test("numbers and flags stay what they are", () => {
  assert.deepEqual(interpolate({ cpus: 2, init: true }, lookup), { cpus: 2, init: true });
});

test("names that no setting declares are refused, all at once", () => {
  const model = { a: "${PROT} ${PORT}", environment: { HOTS: null } };
  assert.throws(() => interpolate(model, lookup), {
    code: "SOURCE_INVALID",
    details: [
      "compose/: ${PROT}: expected a declared setting",
      "compose/: ${HOTS}: expected a declared setting",
    ],
  });
});

for (const form of ["$PORT", "${PORT:-1}", "${port}", "${PORT?}"]) {
  test(`${form}, which Compose would fill in by itself, is refused`, () => {
    assert.throws(() => interpolate({ a: form }, lookup), { code: "SOURCE_INVALID" });
  });
}
