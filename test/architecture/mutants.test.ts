import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mutants } from "../simulation/mutants.ts";

// The mutants themselves run with the simulation, which takes minutes: this tells at once.
const scripts = join(import.meta.dirname, "..", "..", "scripts");

test("the line that a mutant changes is in its file once", () => {
  const lost = mutants.filter(
    ({ file, from }) => readFileSync(join(scripts, file), "utf8").split(from).length !== 2,
  );
  assert.deepEqual(
    lost.map(({ name, file }) => `${file}: ${name}`),
    [],
  );
});
