import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { checkStack } from "../../scripts/stack/checkStack.ts";
import { exampleStack } from "./exampleStack.ts";

/** What is said of dev's stack after its server was spoilt. */
async function faults(spoil: (server: ValueMap, model: ValueMap) => void): Promise<string> {
  const stack = exampleStack("dev");
  const model = structuredClone(stack.model);
  spoil((model["services"] as Record<string, ValueMap>)["server"]!, model);
  try {
    await checkStack({ ...stack, model });
  } catch (error) {
    assert.equal((error as Problem).code, "STACK_INVALID");
    return (error as Problem).details.join("\n");
  }
  return "";
}

for (const environment of environmentNames) {
  test(`${environment}'s own stack is valid`, async () => {
    await checkStack(exampleStack(environment));
  });
}

test("a key that Compose does not know is found with its service", async () => {
  assert.match(
    await faults((server) => (server["imgae"] = "x")),
    /^services\.server: .*additional properties/m,
  );
});

test("a value of the wrong kind is found with its path", async () => {
  assert.match(await faults((server) => (server["ports"] = "8283")), /^services\.server\.ports: /m);
});

test("a key at the top that Compose does not know is found", async () => {
  assert.match(await faults((_server, model) => (model["service"] = {})), /additional properties/);
});

test("schema and stack rules are judged together", async () => {
  const found = await faults((server) => {
    server["imgae"] = "x";
    delete server["cpus"];
  });
  assert.match(found, /additional properties/);
  assert.match(found, /services\.server\.cpus: expected to be set/);
});
