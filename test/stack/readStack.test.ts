import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { readStack } from "../../scripts/stack/readStack.ts";
import { labels, renderStack, type Stack } from "../../scripts/stack/renderStack.ts";
import { exampleFragments } from "./exampleStack.ts";

const secretDigest = (name: string) => `digest of ${name}`;
const partsOf = (environment: string) => ({ ...exampleFragments(environment), secretDigest });
const digests = ({ services }: Stack) =>
  Object.fromEntries(
    services.map((one) => [one.name, [one.labels[labels.digest], one.labels[labels.secrets]]]),
  );

for (const environment of environmentNames) {
  test(`${environment}'s stack reads back as it was rendered, byte for byte`, () => {
    const parts = partsOf(environment);
    const stack = renderStack(parts);
    assert.deepEqual(readStack(stack.text, "compose.yaml", parts), stack);
  });

  test(`${environment}'s stack keeps its digests in another release and under other secrets`, () => {
    const parts = partsOf(environment);
    const stack = renderStack(parts);
    const read = readStack(stack.text, "compose.yaml", {
      ...parts,
      release: "000007",
      secretDigest: () => "another",
    });
    for (const service of stack.services) {
      const now = read.services.find((one) => one.name === service.name)!;
      assert.equal(now.labels[labels.digest], service.labels[labels.digest]);
      assert.equal(now.labels[labels.release], "000007");
      const before = service.labels[labels.secrets];
      assert.equal(now.labels[labels.secrets] === before, before === undefined, service.name);
    }
    assert.deepEqual(
      read.services.map((one) => ({ ...one, labels: {} })),
      stack.services.map((one) => ({ ...one, labels: {} })),
    );
    assert.deepEqual(read.server, stack.server);
  });
}

test("a service that runs as it did then keeps the release it came with", () => {
  const parts = partsOf("prod");
  const stack = renderStack(parts);
  const past = new Map(
    stack.services.map((one) => [
      one.name,
      {
        digest: one.name === "server" ? "another" : one.labels[labels.digest]!,
        secrets: one.labels[labels.secrets],
        release: "000001",
      },
    ]),
  );
  const read = readStack(stack.text, "compose.yaml", { ...parts, release: "000003", past });
  for (const { name, labels: carried } of read.services)
    assert.equal(carried[labels.release], name === "server" ? "000003" : "000001", name);
});

test("whatever a setting says, reading back changes no digest", () => {
  const anything = fc.oneof(
    fc.string({ unit: "binary", maxLength: 30 }),
    fc.string({
      unit: fc.constantFrom(..."$'\"\\#:{}[]!&*|>%@`,-? \n\t=~<0.1_eEoxyYnN"),
      maxLength: 12,
    }),
  );
  const parts = partsOf("dev");
  fc.assert(
    fc.property(anything, (value) => {
      const lookup: typeof parts.lookup = (name) =>
        name === "LETTA_ENVIRONMENT" ? { value, secret: false } : parts.lookup(name);
      const stack = renderStack({ ...parts, lookup });
      const read = readStack(stack.text, "compose.yaml", parts);
      assert.deepEqual(digests(read), digests(stack));
      assert.equal(read.text, stack.text);
    }),
    { numRuns: 60 },
  );
});

test("a digest still tells that something was changed in the file", () => {
  const parts = partsOf("dev");
  const stack = renderStack(parts);
  const text = stack.text.replace("pids_limit: 256", "pids_limit: 257");
  const read = readStack(text, "compose.yaml", parts);
  const differing = Object.keys(digests(stack)).filter(
    (name) => digests(stack)[name]![0] !== digests(read)[name]![0],
  );
  assert.deepEqual(differing, ["postgres"]);
});

const { text } = renderStack(partsOf("dev"));
for (const [name, damaged, message] of [
  ["that is empty", "", /^here: expected a rendered stack$/],
  ["that is no map", "- a\n- b\n", /^here: expected a rendered stack$/],
  ["without services", "name: x\n", /^here: expected a rendered stack$/],
  ["whose services are a list", "services: [a]\n", /^here: expected a rendered stack$/],
  ["that is no YAML", "services: {a\n", /^here: /],
  ["without the server's role", text.replace("x-app:", "x-other:"), /role is not complete/],
] as const) {
  test(`a file ${name} is refused as a source`, () => {
    assert.throws(() => readStack(damaged, "here", partsOf("dev")), {
      code: "SOURCE_INVALID",
      message,
    });
  });
}

test("a file that was cut off anywhere is refused or reads as less, never as the whole", () => {
  const parts = partsOf("dev");
  const whole = readStack(text, "here", parts);
  fc.assert(
    fc.property(fc.nat(text.length - 2), (length) => {
      let read: Stack;
      try {
        read = readStack(text.slice(0, length), "here", parts);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "SOURCE_INVALID", String(error));
        return;
      }
      const names = Object.keys((read.model["services"] ?? {}) as ValueMap);
      assert.ok(read.text.length < whole.text.length || names.length < whole.services.length);
    }),
    { numRuns: 100 },
  );
});
