import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { ignoredCures, readSettings } from "../../scripts/settings/readSettings.ts";
import { exampleSecrets, root } from "../stack/exampleStack.ts";

const shell: Record<string, string> = {
  LETTA_PG_URI: "postgresql://letta:outside-secret@db.example/letta",
  OPENAI_API_KEY: "mine",
};
const { LETTA_PG_PASSWORD: _, ...others } = exampleSecrets;
const readWith = (secrets: Record<string, string | undefined>) => (name?: string) =>
  readSettings({
    environment: "prod",
    root,
    mayMiss: true,
    processEnvironment: { ...secrets, ...(name === undefined ? {} : { [name]: shell[name] }) },
  });

test("what is missing for lack of an ignored setting names that setting", () => {
  assert.deepEqual(ignoredCures(Object.keys(shell), readWith(others)), ["LETTA_PG_URI"]);
});

test("where nothing is missing, or other faults stand first, nothing is named", () => {
  assert.deepEqual(ignoredCures(Object.keys(shell), readWith(exampleSecrets)), []);
  const faulty = () => {
    throw new Problem("SETTINGS_INVALID", "1 setting is not usable");
  };
  assert.deepEqual(ignoredCures(Object.keys(shell), faulty), []);
});
