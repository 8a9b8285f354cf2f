import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");
const program = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, "scripts/letta-stack.mjs"), ...args], {
    encoding: "utf8",
  });

test("the help screen groups every command, and each command has a help of its own", () => {
  const { status, stdout } = program("--help");
  assert.equal(status, 0);
  const names = [...stdout.matchAll(/^ {2}([a-z]+) {2,}\S/gmu)].map((match) => match[1]!);
  for (const name of ["up", "deploy", "rollback", "plan", "verify", "backup", "secrets"]) {
    assert.ok(names.includes(name), name);
  }
  const deploy = program("deploy", "--help");
  assert.equal(deploy.status, 0);
  assert.match(deploy.stdout, /--recreate/u);
});

test("the environment comes first, also where a command's own parser has it elsewhere", () => {
  const render = program("render", "nowhere", "--json");
  assert.equal(render.status, 2);
  const listed = program("secrets", "dev", "list", "--json");
  assert.equal((JSON.parse(listed.stdout) as { environment: string }).environment, "dev");
  const refused = program("rollback", "development", "--yes", "--json");
  assert.equal((JSON.parse(refused.stdout) as { environment: string }).environment, "development");
});

test("a command with a typo is reported with the nearest one, exit 2", () => {
  const { status, stderr } = program("deplyo", "prod");
  assert.equal(status, 2);
  assert.match(stderr, /did you mean deploy\?/u);
});

test("bash completes commands and environments", () => {
  const { stdout } = program("completion", "bash");
  const typed = (count: number, word: string) =>
    spawnSync(
      "bash",
      ["-c", `${stdout}\nCOMP_CWORD=${count}; _letta_stack x ${word}; echo "\${COMPREPLY[*]}"`],
      { encoding: "utf8" },
    ).stdout.trim();
  assert.equal(typed(1, "roll"), "rollback");
  assert.equal(typed(2, "st"), "staging");
});
