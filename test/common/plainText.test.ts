import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { plainJson, plainText } from "../../scripts/common/redaction.ts";

const harmful = [
  "\u001b]52;c;cHduZWQ=\u0007",
  "\u001b[2J\u001b[1A",
  "\u009b2J",
  "a\rb",
  "a\bb",
  "\u202eback\u2066",
  "\u007f",
];

test("nothing that steers a terminal stays, new lines and tabs do", () => {
  for (const text of harmful)
    assert.doesNotMatch(plainText(text), /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/u);
  assert.equal(plainText("one\ttwo\r\nthrée ✓\n"), "one\ttwo\nthrée ✓\n");
});

test("JSON carries the same data, without a character that steers a terminal", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom(...harmful)), (text) => {
      const json = plainJson({ text });
      assert.equal(plainText(json), json);
      assert.deepEqual(JSON.parse(json), { text });
    }),
  );
});
