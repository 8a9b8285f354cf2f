import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { redaction } from "../../scripts/common/redaction.ts";

test("a secret is hidden wherever it stands", () => {
  assert.equal(redaction(["s3cr3t-word"])("a s3cr3t-word, s3cr3t-word!"), "a ••••••, ••••••!");
});

test("a secret is hidden in the forms in which other programs print it", () => {
  const secret = 'pa"ss wörd/+';
  const forms = [
    secret,
    JSON.stringify(secret),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("base64"),
  ];
  for (const form of forms) assert.ok(redaction([secret])(`<${form}>`).includes("••••••"), form);
});

test("a secret is hidden within what was encoded as base64, wherever it begins there", () => {
  const secret = "s3cr3t>>wörd";
  for (const user of ["u", "us", "usr", "user"]) {
    for (const kind of ["base64", "base64url"] as const) {
      const header = Buffer.from(`${user}:${secret}@host`).toString(kind);
      const hidden = redaction([secret])(`Authorization: Basic ${header}`);
      const left = Buffer.from(hidden.split(" ").at(-1)!.replace(/•+.*/u, ""), "base64").toString();
      assert.ok(hidden.includes("••••••"), hidden);
      assert.ok(!left.includes("s3"), left);
    }
  }
});

test("of two secrets the longer is hidden whole, whichever came first", () => {
  const [short, long] = ["abcdefgh", "abcdefghijkl"];
  for (const secrets of [
    [short, long],
    [long, short],
  ])
    assert.equal(redaction(secrets)(long), "••••••");
});

test("a word too short to be a secret blanks out nothing", () => {
  assert.equal(redaction(["dev", ""])("developers"), "developers");
});

test("a secret that looks like a pattern is taken literally", () => {
  assert.equal(redaction(["$&.*(x)+"])("a $&.*(x)+ b"), "a •••••• b");
});

test("no text keeps any secret of six letters or more", () => {
  const secret = fc
    .string({ unit: "grapheme", minLength: 6, maxLength: 20 })
    .filter((one) => !one.includes("•"));
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 4 }),
      fc.string(),
      (secrets, between) => {
        const hidden = redaction(secrets)(secrets.join(between));
        for (const one of secrets) assert.ok(!hidden.includes(one));
      },
    ),
  );
});
