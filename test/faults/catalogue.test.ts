import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { catalogue } from "./catalogue.ts";

const text = (file: string) =>
  readFileSync(join(import.meta.dirname, "..", `${file}.test.ts`), "utf8").replaceAll(
    /\(\s+/g,
    "(",
  );

test("the catalogue has its forty faults, each once", () => {
  assert.deepEqual(
    catalogue.map((one) => one.number),
    Array.from({ length: 40 }, (_, index) => index + 1),
  );
});

/** How a test begins, also one of `npm run test:long`. */
const calls = ['test("', "test(`", 'longTest("'];

test("every test that a fault names is there", () => {
  const missing = catalogue
    .flatMap((one) => one.tests)
    .filter(
      ([file, name]) =>
        name !== undefined && !calls.some((call) => text(file).includes(`${call}${name}`)),
    )
    .map((one) => one.join(": "));
  assert.deepEqual(missing, []);
  for (const [file] of catalogue.flatMap((one) => one.tests)) assert.ok(text(file).length > 0);
});

test("a fault that nothing makes happen is open, with the reason", () => {
  const silent = catalogue.filter((one) => one.tests.length === 0 && one.open === undefined);
  assert.deepEqual(silent, []);
});
