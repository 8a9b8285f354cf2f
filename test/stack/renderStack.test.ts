import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse } from "yaml";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { labels, type RenderParts, renderStack } from "../../scripts/stack/renderStack.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { exampleFragments, exampleSecrets, exampleStack } from "./exampleStack.ts";

/** As Compose reads it: YAML 1.1's scalars, and then one dollar for two. */
function environmentAsComposeReadsIt(text: string, service: string): Record<string, unknown> {
  const read = parse(text, { version: "1.1" }) as { services: Record<string, ValueMap> };
  const environment = read.services[service]?.["environment"] as ValueMap;
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      typeof value === "string" ? value.replaceAll("$$", "$") : value,
    ]),
  );
}

/** A stack of one service that is given one setting. */
function rendered(value: string): string {
  const content = {
    "x-app": exampleRole,
    services: { a: { image: "a:1", environment: { VALUE: "${VALUE}" } } },
  };
  return renderStack({
    project: "p",
    environment: "dev",
    sources: [{ file: "compose/a.yaml", content }],
    library: [],
    lookup: (name) => (name === "VALUE" ? { value, secret: false } : undefined),
    configs: new Map(),
    release: "000001",
  }).text;
}

const exampleRole = exampleFragments("dev").sources[0]!.content["x-app"];

for (const environment of environmentNames) {
  test(`${environment} renders to the same bytes twice`, () => {
    assert.equal(exampleStack(environment).text, exampleStack(environment).text);
  });

  test(`${environment} renders without a secret's value in it`, () => {
    const { text } = exampleStack(environment);
    for (const value of Object.values(exampleSecrets)) assert.ok(!text.includes(value));
  });

  test(`${environment} reads back from its text as its model`, () => {
    const { text, model } = exampleStack(environment);
    assert.deepEqual(parse(text, { version: "1.1" }), model);
  });
}

test("of what is only for the tool the server's role alone stays, for a release to be read back", () => {
  const parts = exampleFragments("dev");
  const own = (keys: object) => Object.keys(keys).filter((key) => key.startsWith("x-"));
  assert.ok(parts.sources.flatMap((one) => own(one.content)).includes("x-environment"));
  assert.deepEqual(own(renderStack(parts).model), ["x-app"]);
});

const lookalikes = [
  "0123",
  "0o17",
  "0x1F",
  "0b11",
  "1e5",
  "1_000",
  "1.0",
  ".5",
  "+1",
  "-0",
  ".inf",
  ".nan",
  "null",
  "Null",
  "~",
  "",
  "yes",
  "no",
  "on",
  "off",
  "y",
  "N",
  "true",
  "False",
  "2020-01-01",
  "2020-01-01T00:00:00Z",
  "22:22",
  "190:20:30",
  "<<",
  "=",
  "-",
  "?",
  ":",
  "- a",
  "a: b",
  "a #b",
  "#a",
  "*a",
  "&a",
  "!a",
  "!!str a",
  "%a",
  "@a",
  "`a`",
  "|",
  ">",
  "[a",
  "{a",
  '"',
  "'",
  "\\",
  "a\\nb",
  " a ",
  "\ta",
  "a\n",
  "a\n\nb",
  "\n",
  "a\r\nb",
  "---",
  "...",
  "\u0085",
  "\u2028",
  "\ufeff",
  "\u202e",
  "𝕏",
  "é",
  "$",
  "$$",
  "$a",
  "${a}",
  "$(id)",
  "a$",
];

for (const value of lookalikes) {
  test(`${JSON.stringify(value)} comes back as that text`, () => {
    assert.equal(environmentAsComposeReadsIt(rendered(value), "a")["VALUE"], value);
  });
}

test("any value of a setting comes back byte for byte", () => {
  const anything = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom(..."$'\"\\#:{}[]!&*|>%@`,-? \n\t=~<0.1_eEyYnN"),
      maxLength: 12,
    }),
  );
  fc.assert(
    fc.property(anything, (value) => {
      assert.equal(environmentAsComposeReadsIt(rendered(value), "a")["VALUE"], value);
    }),
    { numRuns: 500 },
  );
});

test("a configuration comes back byte for byte, dollars and all", () => {
  const content = "key: ${NAME}\nother: $$ $x\n\ttail  ";
  const parts: RenderParts = {
    ...exampleFragments("dev"),
    configs: new Map([["collector", content]]),
  };
  const read = parse(renderStack(parts).text, { version: "1.1" }) as {
    configs: Record<string, { content: string }>;
  };
  assert.equal(read.configs["collector"]?.content.replaceAll("$$", "$"), content);
});

test("every service says which environment, role and release it belongs to", () => {
  for (const service of exampleStack("staging").services) {
    assert.equal(service.labels[labels.environment], "staging");
    assert.equal(service.labels[labels.role], service.name);
    assert.equal(service.labels[labels.release], "000001");
  }
});

test("a service that stays as it was keeps the release it came with", () => {
  const before = exampleStack("dev");
  const past = new Map(
    before.services.map((one) => [
      one.name,
      { digest: one.labels[labels.digest]!, release: "000001" },
    ]),
  );
  const changed = exampleFragments("dev", { COLLECTOR_MEMORY: "2g" });
  const after = renderStack({ ...changed, release: "000002", past });
  const release = Object.fromEntries(
    after.services.map((one) => [one.name, one.labels[labels.release]]),
  );
  assert.deepEqual(release, {
    postgres: "000001",
    migrate: "000001",
    permissions: "000001",
    collector: "000002",
    redis: "000001",
    server: "000001",
  });
});

test("a service that is made anew for a secret's sake comes with the new release", () => {
  const withKey = (key: string, more: object) =>
    renderStack({
      ...exampleFragments("dev"),
      secretDigest: (name) => (name === "LETTA_PG_PASSWORD" ? key : "same"),
      ...more,
    });
  const past = new Map(
    withKey("a", {}).services.map(({ name, labels: carried }) => [
      name,
      { digest: carried[labels.digest]!, secrets: carried[labels.secrets], release: "000001" },
    ]),
  );
  const releases = (key: string) =>
    withKey(key, { release: "000002", past })
      .services.filter((one) => one.labels[labels.release] === "000002")
      .map((one) => one.name);
  assert.deepEqual(releases("a"), []);
  assert.deepEqual(releases("b"), ["migrate", "server"]);
});

test("a rotated secret changes the label for secrets alone", () => {
  const withKey = (key: string) =>
    renderStack({
      ...exampleFragments("dev"),
      secretDigest: (name) => (name === "LETTA_PG_PASSWORD" ? key : "same"),
    });
  const [one, other] = [withKey("a"), withKey("b")];
  const changed = other.services.flatMap((service, index) =>
    Object.keys(service.labels)
      .filter((label) => service.labels[label] !== one.services[index]?.labels[label])
      .map((label) => `${service.name} ${label}`),
  );
  assert.deepEqual(
    changed,
    ["migrate", "server"].map((name) => `${name} ${labels.secrets}`),
  );
});

test("a server's role that lacks something is refused with the place", () => {
  const parts = exampleFragments("dev");
  const sources = parts.sources.map((one) =>
    "x-app" in one.content
      ? { ...one, content: { ...one.content, "x-app": { service: "server" } } }
      : one,
  );
  assert.throws(
    () => renderStack({ ...parts, sources }),
    (error: { code: string; details: string[] }) => {
      assert.equal(error.code, "SOURCE_INVALID");
      assert.match(error.details.join("\n"), /^compose\/server\.yaml: x-app\.migrate: /m);
      return true;
    },
  );
});

test("CPU limits fit the engine: never above its CPUs, a weight where it has no quota", () => {
  const limits = (cpus: number) => {
    const { services } = renderStack({ ...exampleFragments("prod"), cpus }).model as {
      services: Record<string, { cpus?: number; cpu_shares?: number }>;
    };
    return ["server", "permissions"].map((name) => {
      const { cpus: most, cpu_shares: weight } = services[name]!;
      return [most, weight];
    });
  };
  assert.deepEqual(limits(1), [
    [1, undefined],
    [0.5, undefined],
  ]);
  assert.deepEqual(limits(16), [
    [2, undefined],
    [0.5, undefined],
  ]);
  assert.deepEqual(limits(0), [
    [undefined, 2048],
    [undefined, 512],
  ]);
});
