import assert from "node:assert/strict";
import { test } from "node:test";
import { npmFlags } from "../../scripts/cli/npmFlags.ts";

test("flags that npm ate are given back", () => {
  const environment = {
    npm_config_dry_run: "true",
    npm_config_yes: "true",
    npm_config_loglevel: "notice",
  };
  assert.deepEqual(npmFlags(environment, ["yes", "dryRun", "json"], "up"), ["--yes", "--dry-run"]);
});

test("flags that npm was not given are not made up", () => {
  assert.deepEqual(
    npmFlags({ npm_config_yes: "", npm_config_json: "false" }, ["yes", "json"], "up"),
    [],
  );
});

test("a flag that the command does not have is refused with its name", () => {
  assert.throws(() => npmFlags({ npm_config_dry_run: "true" }, ["json"], "status"), {
    code: "USAGE",
    message: "status has no flag --dry-run (npm took it for its own)",
  });
});

test("npm's own settings are none of ours", () => {
  const environment = {
    npm_config_registry: "https://example",
    npm_config_global: "true",
    npm_config_force: "true",
  };
  assert.deepEqual(npmFlags(environment, [], "up"), []);
});

for (const [name, value, flag] of [
  ["npm_config_recreate", "postgres", "recreate"],
  ["npm_config_tail", "5", "tail"],
] as const) {
  test(`--${flag}=${value} before -- is not lost without a word`, () => {
    assert.notDeepEqual(npmFlags({ [name]: value }, [flag], "logs"), []);
  });
}
