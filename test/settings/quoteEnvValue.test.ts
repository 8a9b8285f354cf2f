import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { parse } from "dotenv";
import fc from "fast-check";
import { parseEnvFile, quoteEnvValue } from "../../scripts/settings/envFile.ts";

const hostile = [
  ..."$(id) `id` ;rm $HOME ${HOME} $$ # %s @:/?# -x --flag * & ! 0123 1e5 null no true ~ \\ \\n".split(
    " ",
  ),
  "",
  " lead",
  "trail ",
  "two\nlines",
  "it's",
  'say "hi"',
  "a\\",
  "\u202egnp.exe",
  "\u00a0",
  "tab\there",
  "émoji 🙂",
  "# not a comment",
  "a # b",
];

const values = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc
    .array(fc.constantFrom(..."ab'\"`$#\\ \t\n\r{}()%=:-".split(""), "\u2028", "\u0085"), {
      maxLength: 10,
    })
    .map((parts) => parts.join("")),
);

/** As files look: other lines around it, with quotes and comments of their own. */
const among = (written: string) => `# it's\nX='x' # "\nA=${written}\nY="y"\n# end\n`;

function returns(value: string): boolean {
  const written = quoteEnvValue(value);
  if (written === undefined) return false;
  const { assignments, faults } = parseEnvFile(among(written), "f");
  assert.deepEqual(faults, []);
  assert.deepEqual(
    assignments.map((one) => [one.name, one.value]),
    [
      ["X", "x"],
      ["A", value],
      ["Y", "y"],
    ],
  );
  assert.deepEqual({ ...parse(among(written)) }, { X: "x", A: value, Y: "y" });
  return true;
}

test("whatever is written is read back byte for byte, here and by dotenv", () => {
  fc.assert(
    fc.property(values, (value) => void returns(value)),
    { numRuns: 3000 },
  );
});

test("hostile values are all writable", () => {
  for (const value of hostile) assert.ok(returns(value), JSON.stringify(value));
});

test("what no form can carry is refused rather than bent", () => {
  const unwritable = ["it's $HOME", "'\n\\", "a\rb", "a\0b", "\ud800", "x'\"#"];
  for (const value of unwritable)
    assert.equal(quoteEnvValue(value), undefined, JSON.stringify(value));
});

test("any value without both kinds of trouble is writable", () => {
  const text = fc.string({ unit: "grapheme" }).filter((value) => !/['\0\r]/u.test(value));
  fc.assert(
    fc.property(text, (value) => returns(value) || value.endsWith("\\")),
    { numRuns: 1000 },
  );
});

test("Docker Compose reads the same bytes", { skip: withoutCompose() }, (context) => {
  const folder = mkdtempSync(join(tmpdir(), "env-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const asked = [...new Set([...hostile, ...fc.sample(values, { numRuns: 300, seed: 7 })])];
  const written = asked
    .map((value) => [value, quoteEnvValue(value)] as const)
    .filter(([, form]) => form !== undefined)
    .map(([value, form], index) => ({ name: `V${index}`, value, form }));
  const references = written.map(({ name }) => [name, `\${${name}}`]);
  const model = { services: { a: { image: "x", environment: Object.fromEntries(references) } } };
  writeFileSync(
    join(folder, "f.env"),
    written.map(({ name, form }) => `${name}=${form}\n`).join(""),
  );
  writeFileSync(join(folder, "c.json"), JSON.stringify(model));
  const compose = ["compose", "--env-file", "f.env", "-f", "c.json", "config", "--format", "json"];
  const output = execFileSync("docker", compose, { cwd: folder, env: bareEnvironment() });
  const { environment } = JSON.parse(output.toString()).services.a;
  assert.ok(written.length > 100);
  for (const { name, value } of written) {
    assert.equal(environment[name].replaceAll("$$", "$"), value, name);
  }
});

function bareEnvironment() {
  return { PATH: process.env["PATH"], HOME: process.env["HOME"] };
}

function withoutCompose(): string | false {
  try {
    execFileSync("docker", ["compose", "version"], { stdio: "ignore" });
    return false;
  } catch {
    return "Docker Compose is not installed";
  }
}
