import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { redaction } from "../../scripts/common/redaction.ts";
import { guardParameters, guardText } from "../../scripts/commands/traceCommand.ts";

const plain = (text: string) => text;

test("texts, numbers and flags stay what they are; null and what is not there are left out", () => {
  const given = { tag: "0.16.8", count: 3, verified: true, from: null, way: undefined };
  assert.deepEqual(guardParameters(given, plain), { tag: "0.16.8", count: 3, verified: true });
});

test("names that may hold a secret are left out, however they are written", () => {
  const names =
    "password LETTA_PG_PASSWORD dbPasswd apiKey api_key X-Api-Key accessToken client_secret authorization Cookie credentials LETTA_PG_URI ENCRYPTION_KEY SIGNOZ_INGESTION_KEY";
  const given = Object.fromEntries(names.split(" ").map((name) => [name, "value"]));
  assert.deepEqual(guardParameters({ ...given, service: "server" }, plain), { service: "server" });
});

test("the seeds' large parameters and our own are left out", () => {
  const names =
    "agent_state messages content source_code embeddings rows dump sql logs environment";
  const given = Object.fromEntries(names.split(" ").map((name) => [name, "value"]));
  assert.deepEqual(guardParameters(given, plain), {});
});

test("a secret's name within an object is left out too", () => {
  const { how } = guardParameters(
    { how: { user: "letta", password: "x", deep: [{ token: 1 }] } },
    plain,
  );
  assert.equal(how, '{"user":"letta","deep":[{}]}');
});

test("a secret's value never stays, whatever it is part of", () => {
  const secret = `pa"ss\\wörd$1`;
  const hide = redaction([secret]);
  const given = {
    line: `psql ${secret} now`,
    list: [`a ${secret}`],
    deep: { [secret]: 1, line: JSON.stringify({ line: secret }) },
    url: `http://${encodeURIComponent(secret)}@host`,
    basic: Buffer.from(secret).toString("base64"),
    bytes: Buffer.from(secret),
    inside: { bytes: new Uint8Array(Buffer.from(secret)) },
  };
  const shown = JSON.stringify(guardParameters(given, hide));
  for (const form of [secret, "wörd$1", encodeURIComponent(secret), given.basic])
    assert.ok(!shown.includes(form), shown);
});

test("no half of a secret stays where a text is cut", () => {
  const secret = "half-of-this-is-too-much";
  fc.assert(
    fc.property(fc.integer({ min: 1000, max: 1030 }), (before) => {
      const text = `${"x".repeat(before)}${secret}${"y".repeat(50)}`;
      const shown = String(guardParameters({ text: 1, line: text }, redaction([secret]))["line"]);
      assert.ok(!shown.includes("half"), shown);
    }),
  );
});

test("bytes are recognised by their number, at any depth", () => {
  const bytes = Buffer.from("secret");
  assert.deepEqual(guardParameters({ bytes, inside: [new Uint8Array(bytes)] }, plain), {
    bytes: '"<6 bytes>"',
    inside: '["<6 bytes>"]',
  });
});

test("a long text is cut and says how long it was", () => {
  const shown = guardParameters({ line: "x".repeat(5000) }, plain)["line"];
  assert.equal(shown, `${"x".repeat(1024)}… (5000 characters)`);
});

test("many long texts together stay small", () => {
  const given = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`p${n}`, "x".repeat(2000)]),
  );
  assert.ok(JSON.stringify(guardParameters(given, plain)).length < 15_000);
});

test("what is huge is recognised by its size, and not looked through", () => {
  let looked = 0;
  const hide = (text: string) => ((looked += text.length), text);
  assert.equal(guardText("x".repeat(2_000_000), hide), "<2000000 characters>");
  assert.equal(looked, 0);
  const many = Array.from({ length: 50_000 }, () => 1);
  assert.equal(guardParameters({ many }, plain)["many"], "<cannot be serialised>");
});

test("what cannot be serialised becomes a marker, and the others stay", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  const given = {
    circle,
    big: 12n,
    work: () => 1,
    broken: { toJSON: () => assert.fail("no") },
    get read(): string {
      throw new Error("no");
    },
    within: [12n],
    endless: Number.POSITIVE_INFINITY,
    name: "server",
  };
  assert.deepEqual(guardParameters(given, plain), {
    circle: "<cannot be serialised>",
    big: "12",
    work: "<function>",
    broken: "<cannot be serialised>",
    read: "<cannot be serialised>",
    within: "<cannot be serialised>",
    endless: "Infinity",
    name: "server",
  });
});

test("no value at all makes it throw, or leaves a secret", () => {
  const secret = "the-secret-itself";
  const hide = redaction([secret]);
  const anything = fc.anything({ withBigInt: true, withTypedArray: true, withNullPrototype: true });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), anything), fc.string(), (given, around) => {
      const shown = guardParameters({ ...given, p: [{ q: `${around}${secret}${around}` }] }, hide);
      assert.ok(!JSON.stringify(shown).includes(secret));
    }),
  );
});
