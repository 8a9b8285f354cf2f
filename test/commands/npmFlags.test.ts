import assert from "node:assert/strict";
import { test } from "node:test";
import { Option } from "commander";
import fc from "fast-check";
import { npmFlags } from "../../scripts/commands/parseArguments.ts";
import { databaseOptions } from "../../scripts/deploy/planSchema.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";

/** Options as `rollback` has them. */
const known = [
  new Option("--env <env>").choices(environmentNames),
  new Option("--database <strategy>").choices(databaseOptions),
  new Option("--from-dump <tables>"),
  new Option("--reason <text>"),
  new Option("--wait"),
  new Option("-y, --yes"),
  new Option("--dry-run"),
  new Option("--json"),
];

type Environment = Parameters<typeof npmFlags>[0];
const rollback = (environment: Environment, ...typed: string[]) =>
  npmFlags(environment, known, "rollback", typed);

test("flags that npm ate are given back, after what was typed", () => {
  const environment = {
    npm_config_dry_run: "true",
    npm_config_wait: "true",
    npm_config_loglevel: "notice",
  };
  assert.deepEqual(rollback(environment, "0.15.1"), ["0.15.1", "--dry-run", "--wait"]);
});

test("what npm left alone comes back as it was typed", () => {
  const words = fc.array(fc.oneof(fc.string(), fc.constantFrom("copy", "--yes", "--", "-y")));
  fc.assert(
    fc.property(words, (typed) => {
      assert.deepEqual(rollback({ npm_config_yes: "" }, ...typed), typed);
    }),
  );
});

test("what was typed is not changed in place", () => {
  const typed = ["0.15.1", "copy"];
  npmFlags({ npm_config_database: "true" }, known, "rollback", typed);
  assert.deepEqual(typed, ["0.15.1", "copy"]);
});

test("flags that npm was not given are not made up", () => {
  assert.deepEqual(rollback({ npm_config_yes: "", npm_config_json: "false" }), []);
});

test("a flag that the command does not have is refused with its name", () => {
  assert.throws(
    () => npmFlags({ npm_config_dry_run: "true" }, [new Option("--json")], "status", ["dev"]),
    {
      code: "USAGE",
      message: "status has no flag --dry-run (npm took it for its own)",
    },
  );
});

test("all flags that the command does not have are named at once", () => {
  const environment = { npm_config_follow: "true", npm_config_tail: "5" };
  assert.throws(() => rollback(environment), {
    message: "rollback has no flag --follow, --tail (npm took it for its own)",
  });
});

test("yes in npm's own settings answers no question of ours, and refuses no command", () => {
  assert.deepEqual(npmFlags({ npm_config_yes: "true" }, [], "status", ["dev"]), ["dev"]);
  assert.deepEqual(rollback({ npm_config_yes: "true" }, "0.15.1"), ["0.15.1"]);
  assert.deepEqual(rollback({ npm_config_yes: "true" }, "--yes"), ["--yes"]);
});

test("npm's own settings are none of ours", () => {
  const environment = {
    npm_config_registry: "https://example",
    npm_config_global: "true",
    npm_config_force: "true",
  };
  assert.deepEqual(npmFlags(environment, [], "up", []), []);
});

test("a value that npm retained with its flag goes with it", () => {
  const tail = [new Option("--tail <n>")];
  assert.deepEqual(npmFlags({ npm_config_tail: "5" }, tail, "logs", ["dev"]), [
    "dev",
    "--tail",
    "5",
  ]);
  assert.deepEqual(rollback({ npm_config_from_dump: "agents,blocks" }, "0.15.1"), [
    "0.15.1",
    "--from-dump",
    "agents,blocks",
  ]);
});

test("a value that npm handed on alone is put back behind its flag, wherever it stands", () => {
  for (const [words, rest] of [
    [["copy"], []],
    [["0.15.1", "copy"], ["0.15.1"]],
    [["copy", "0.15.1"], ["0.15.1"]],
  ] as const) {
    assert.deepEqual(rollback({ npm_config_database: "true" }, ...words), [
      ...rest,
      "--database",
      "copy",
    ]);
  }
});

test("two values that npm handed on alone each find their own flag", () => {
  const environment = { npm_config_env: "true", npm_config_database: "true" };
  assert.deepEqual(rollback(environment, "keep", "0.15.1", "staging"), [
    "0.15.1",
    "--database",
    "keep",
    "--env",
    "staging",
  ]);
});

test("a way that npm ate is never lost: it comes back with its value or is refused", () => {
  const word = fc.oneof(fc.constantFrom<string>(...databaseOptions), fc.string());
  fc.assert(
    fc.property(fc.array(word, { maxLength: 4 }), (typed) => {
      const value = typed.find((one) => (databaseOptions as readonly string[]).includes(one));
      const run = () => rollback({ npm_config_database: "true" }, ...typed);
      if (value === undefined) assert.throws(run, { code: "USAGE", exit: 2 });
      else {
        const rest = typed.toSpliced(typed.indexOf(value), 1);
        assert.deepEqual(run(), [...rest, "--database", value]);
      }
    }),
  );
});

test("a value that nothing tells apart is asked for again, after --", () => {
  assert.throws(() => rollback({ npm_config_reason: "true" }, "0.15.1", "agents fail"), {
    code: "USAGE",
    message: "npm took --reason for its own, and its value with it",
    next: /-- before the flags/,
  });
});
