import assert from "node:assert/strict";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { readStack } from "../../scripts/stack/readStack.ts";
import { labels, renderStack } from "../../scripts/stack/renderStack.ts";
import { checkStack } from "../../scripts/stack/checkStack.ts";
import { withoutMigration } from "../../scripts/stack/withoutMigration.ts";
import { exampleFragments } from "./exampleStack.ts";

for (const environment of environmentNames) {
  const parts = { ...exampleFragments(environment), secretDigest: (name: string) => name };
  const stack = renderStack(parts);
  const without = withoutMigration(stack, parts);

  test(`${environment} without its migration has all other parts, as they were`, () => {
    const others = stack.services.filter((one) => one.name !== "migrate");
    assert.equal(others.length, stack.services.length - 1);
    const same = (all: typeof stack.services) =>
      all.map(({ name, image, labels: carried }) => [
        name,
        image,
        carried[labels.digest],
        carried[labels.secrets],
      ]);
    assert.deepEqual(same(without.services).sort(), same(others).sort());
  });

  test(`${environment} without its migration waits for it nowhere, and for all else as before`, () => {
    for (const service of without.services) {
      const before = stack.services.find((one) => one.name === service.name)!;
      const expected = [...before.dependsOn].filter(([name]) => name !== "migrate");
      assert.deepEqual([...service.dependsOn], expected, service.name);
    }
    assert.ok(stack.services.some((one) => one.dependsOn.has("migrate")));
  });

  test(`${environment} without its migration is still a stack that Compose takes`, async () => {
    const faults = await checkStack(without).then(
      () => [],
      (error: Problem) => error.details,
    );
    // The one rule that it may break is about the step that was taken out.
    const others = faults.filter((one) => !one.startsWith("services.migrate.environment: "));
    assert.deepEqual(others, []);
  });

  test(`${environment} without its migration reads back from its text`, () => {
    assert.deepEqual(readStack(without.text, "compose.yaml", parts), without);
  });
}

test("the stack it is made from stays whole", () => {
  const parts = exampleFragments("prod");
  const stack = renderStack(parts);
  const before = structuredClone(stack.model);
  withoutMigration(stack, { ...parts, release: "000009" });
  assert.deepEqual(stack.model, before);
  assert.ok("migrate" in (stack.model["services"] as ValueMap));
});

test("what was taken out already can be taken out again", () => {
  const parts = exampleFragments("prod");
  const once = withoutMigration(renderStack(parts), parts);
  assert.deepEqual(withoutMigration(once, parts), once);
});
