import assert from "node:assert/strict";
import test from "node:test";
import { parse } from "dotenv";
import fc from "fast-check";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";

const read = (text: string | Buffer) => parseEnvFile(text, "f");

/** Values by name where the file is accepted, else its faults as file:line: text. */
function outcome(text: string | Buffer): Record<string, string> | string[] {
  const { assignments, faults } = read(text);
  if (faults.length > 0) return faults.map((fault) => `${fault.line}: ${fault.text}`);
  return Object.fromEntries(assignments.map(({ name, value }) => [name, value]));
}

// Row by row what dotenv and Docker Compose were seen to do with the same line.
const alike: [string, Record<string, string>][] = [
  ["A='pa$word'", { A: "pa$word" }],
  ["A='pa$$word'", { A: "pa$$word" }],
  ["A=tail$", { A: "tail$" }],
  ["A=pa$1x", { A: "pa$1x" }],
  ["P='${A}'", { P: "${A}" }],
  ["A=$(echo hi)", { A: "$(echo hi)" }],
  ["B='a b#c'", { B: "a b#c" }],
  ["A=foo # note", { A: "foo" }],
  ['A="foo"#note', { A: "foo" }],
  ["A='foo' # it's", { A: "foo" }],
  ["A='https://x/?x=1#frag'", { A: "https://x/?x=1#frag" }],
  ["A=https://x/?x=1", { A: "https://x/?x=1" }],
  ["A=C:\\new\\dir\\", { A: "C:\\new\\dir\\" }],
  ["A='x\\ny'", { A: "x\\ny" }],
  ["A=1\r\nB='two'\r\n", { A: "1", B: "two" }],
  ["\ufeffA=1\nB=2", { A: "1", B: "2" }],
  ["export X=1", { X: "1" }],
  ["A = foo", { A: "foo" }],
  ["  A=foo  ", { A: "foo" }],
  ["A=", { A: "" }],
  ['A=""', { A: "" }],
  ["A=grün", { A: "grün" }],
  ['A="l1\nl2"\nB=2', { A: "l1\nl2", B: "2" }],
  ["A=it's `so`", { A: "it's `so`" }],
  ["A=--flag=x", { A: "--flag=x" }],
  ["# A=1\n\n\t# B=2\n", {}],
  ["", {}],
];

const different: [string, RegExp][] = [
  ["A=pa$$word", /^1: A: expected single quotes .*, got an unquoted \$$/u],
  ["A=pa$word", /^1: A: expected single quotes/u],
  ['A="\\$lit"', /^1: A: expected single quotes .*backslash/u],
  ['A="pa$word"', /^1: A: expected single quotes .*\$, got double quotes$/u],
  ["D=${A}-z", /^1: D: expected single quotes/u],
  ["A=${X:?msg}", /^1: A: expected single quotes/u],
  ["A=foo#note", /^1: A: expected quotes around a value with #/u],
  ["A=\tfoo\t# c", /^1: A: expected spaces, .* got a tab outside quotes$/u],
  ["A=#foo", /^1: A: expected quotes around a value that starts with #/u],
  ["A= #foo", /^1: A: expected quotes around a value that starts with #/u],
  ["A=http://x?x=1#frag", /^1: A: expected quotes around a value with #/u],
  ['C="x\\ny"', /^1: C: expected single quotes .*backslash/u],
  ['A="a\\tb"', /^1: A: .*backslash/u],
  ['A="x\\\\y"', /^1: A: .*backslash/u],
  ['A="x\\"y"', /^1: A: .*backslash/u],
  ["A='x\\'y'", /^1: A: expected no backslash before a single quote/u],
  ["A=`x y`", /^1: A: expected ' or " as quotes, got backticks$/u],
  ['A="foo" bar', /^1: A: expected nothing but a comment after the closing ", got text$/u],
  ["A='l1\r\nl2'", /^1: A: expected plain line ends inside quotes, got a carriage return$/u],
  ["A: foo", /^1: A: expected = after the name, got a colon$/u],
  ["A:foo", /^1: A: expected = after the name, got a colon$/u],
  [
    "A=1\nB=2\nA=3",
    /^3: A: expected one assignment, got a second one \(the first is on line 1\)$/u,
  ],
  ['X=1\nA="foo', /^2: A: expected a closing ", got the end of the file$/u],
  ["not a line", /^1: expected NAME=value or a # comment, got neither$/u],
  ["; c", /^1: expected NAME=value or a # comment, got neither$/u],
  ["my key=1", /^1: expected NAME=value, got a name with a space$/u],
  ["=1", /^1: expected a name before the =, got none$/u],
  ["1A=1", /^1: expected a name of letters/u],
  ["GRÖSSE=1", /^1: expected a name of letters/u],
  ["export =1", /^1: /u],
  ["__proto__=1", /^1: __proto__: /u],
  ["A\t=1", /^1: expected spaces, got a tab/u],
  ["A=1\rB=2", /^1: A: expected plain spaces/u],
  ["A=x\u00a0", /^1: A: expected plain spaces/u],
  ["A=x\u0085", /^1: A: expected plain spaces/u],
  ["# x\u2028B=1", /^1: expected plain text in a comment, got a line separator$/u],
  ["A=1 # x\u2028B=1", /^1: A: expected plain text in a comment/u],
  ["\n\ufeffA=1", /^2: /u],
  ["A=1\n\nB=x\0y", /^3: expected text, got a NUL byte$/u],
  [`A=1\nB='${"x".repeat(128 * 1024)}'`, /^2: B: expected at most 128 KiB, got a longer value$/u],
  [`A=${"x".repeat(1024 * 1024)}`, /^0: expected at most 1 MiB, got 1048578 bytes$/u],
  ["\n".repeat(10_001), /^0: expected at most 10000 lines/u],
  ["A=\ud800", /^0: expected text that UTF-8 can hold/u],
];

for (const [text, values] of alike) {
  test(`accepted, as both readers do: ${JSON.stringify(text)}`, () => {
    assert.deepEqual(outcome(text), values);
    assert.deepEqual({ ...parse(text) }, values);
  });
}

for (const [text, fault] of different) {
  test(`refused with its line: ${JSON.stringify(text).slice(0, 60)}`, () => {
    const faults = outcome(text);
    assert.ok(Array.isArray(faults), "expected a fault");
    assert.equal(faults.length, 1, faults.join("\n"));
    assert.match(faults[0] ?? "", fault);
  });
}

test("bytes that are not UTF-8 are refused at their line", () => {
  const text = Buffer.concat([Buffer.from("A=1\nB="), Buffer.from([0xff, 10]), Buffer.from("C=1")]);
  assert.deepEqual(outcome(text), ["2: expected UTF-8, got other bytes"]);
});

test("every fault of a file is reported at once, in order", () => {
  const lines = outcome("A=$B\nnot a line\nC=1\nC=2\nD=x#y\nE='open\n") as string[];
  assert.deepEqual(
    lines.map((line) => Number.parseInt(line, 10)),
    [1, 2, 4, 5, 6],
  );
});

test("no fault quotes a value or what might be one", () => {
  const secret = "hunter2";
  for (const text of [
    `A=${secret}#x`,
    `A=$${secret}`,
    `A="${secret}" ${secret}`,
    `A="${secret}`,
    `${secret} ${secret}`,
    `my ${secret}=1`,
    `A=\`${secret}\``,
    `A="${secret}\\"`,
  ]) {
    const { faults } = read(text);
    assert.equal(faults.length, 1, text);
    assert.ok(!JSON.stringify(faults).includes(secret), text);
  }
});

test("an assignment knows its line, also after a value of several lines", () => {
  const { assignments } = read("# head\nA='1\n2\n3'\nB=4\n");
  assert.deepEqual(
    assignments.map(({ name, file, line }) => [name, file, line]),
    [
      ["A", "f", 2],
      ["B", "f", 5],
    ],
  );
});

test("of hostile lines put together at random, what is accepted dotenv reads the same", () => {
  const pieces = [
    "A",
    "=",
    "'",
    '"',
    "`",
    "#",
    " #",
    " ",
    "\t",
    "\\",
    "$",
    "${",
    "}",
    "\n",
    "\r\n",
  ];
  const more = [
    "\r",
    ": ",
    "export ",
    "é",
    "\u00a0",
    "\u0085",
    "\u2028",
    "\ufeff",
    "\nB=",
    "\nC='",
  ];
  const piece = fc.constantFrom(...pieces, ...more);
  const text = fc.array(piece, { maxLength: 12 }).map((parts) => `A=${parts.join("")}`);
  fc.assert(
    fc.property(text, (source) => {
      const { assignments, faults } = read(source);
      // The tokenizer must see each difference itself: the cross-check is a last resort.
      assert.ok(
        faults.every((fault) => !/read alike|only dotenv/u.test(fault.text)),
        source,
      );
      if (faults.length > 0) return;
      const values = Object.fromEntries(assignments.map(({ name, value }) => [name, value]));
      assert.deepEqual({ ...parse(source) }, values);
    }),
    { numRuns: 5000 },
  );
});
