import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { fromEnv } from "../fakes/fromEnv.ts";
import { exampleSecrets, root } from "../stack/exampleStack.ts";

/** Runs an entry as npm does, with nothing of this machine's environment in it. */
function run(entry: string, words: readonly string[], more: Record<string, string> = {}) {
  const given = { ...exampleSecrets, ...more };
  return runAsTyped(entry, fromEnv(words, given), given);
}

/** The same without --from-env for what is given. */
function runAsTyped(entry: string, words: readonly string[], given: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--import", "./scripts/commands/start.mjs", `scripts/commands/${entry}.ts`, ...words],
    {
      cwd: root,
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: "/nowhere", ...given },
    },
  );
  return { status, stdout, stderr };
}

/** The one JSON object that a run printed. */
function object(stdout: string): Record<string, unknown> {
  assert.match(stdout, /^\{.*\}\n$/, "expected one object on one line");
  return JSON.parse(stdout) as Record<string, unknown>;
}

test("an environment that is not is bad input, with the one that was meant", () => {
  const { status, stdout, stderr } = run("render", ["prodd"]);
  assert.equal(status, 2);
  assert.equal(stdout, "");
  assert.match(stderr, /^expected an environment \(dev, .*\), got "prodd"; did you mean prod\?$/m);
});

test("no environment is bad input", () => {
  assert.equal(run("render", []).status, 2);
});

test("a flag that the command does not have is bad input", () => {
  const { status, stderr } = run("render", ["dev", "--yes-please"]);
  assert.equal(status, 2);
  assert.match(stderr, /unknown option '--yes-please'/);
});

test("a word too many is bad input", () => {
  assert.equal(run("render", ["dev", "prod"]).status, 2);
});

const entries = globSync("scripts/commands/*.ts", { cwd: root })
  .filter((path) => /^await command\(/m.test(readFileSync(join(root, path), "utf8")))
  .map((path) => basename(path, ".ts"));

for (const entry of entries.sort()) {
  test(`${entry} --help explains itself on standard output and ends with 0`, () => {
    const { status, stdout, stderr } = run(entry, ["--help"]);
    assert.equal(status, 0);
    assert.equal(stderr, "");
    assert.match(stdout, new RegExp(`^Usage: ${entry} `));
    assert.match(stdout, /--json/);
  });
}

test("a failure with --json is one object on standard output, and nothing else", () => {
  const { status, stdout } = run("render", ["prodd", "--json"]);
  const { ok, code, exit, message, command } = object(stdout);
  assert.deepEqual(
    { ok, code, exit, command },
    { ok: false, code: "USAGE", exit: 2, command: "render" },
  );
  assert.match(String(message), /did you mean prod/);
  assert.equal(status, 2);
});

test("an unknown flag with --json is one object too", () => {
  assert.equal(object(run("render", ["dev", "--nope", "--json"]).stdout)["code"], "USAGE");
});

test("a success with --json is one object with ok, command, environment and seconds", () => {
  const { status, stdout } = run("render", ["dev", "--json"]);
  const { ok, command, environment, seconds } = object(stdout);
  assert.deepEqual(
    { ok, command, environment },
    { ok: true, command: "render", environment: "dev" },
  );
  assert.equal(typeof seconds, "number");
  assert.equal(status, 0);
});

test("--json that npm ate counts", () => {
  assert.equal(object(run("render", ["prodd"], { npm_config_json: "true" }).stdout)["ok"], false);
});

test("a flag that npm ate and the command does not have is bad input", () => {
  const { status, stderr } = run("render", ["dev"], { npm_config_dry_run: "true" });
  assert.equal(status, 2);
  assert.match(stderr, /render has no flag --dry-run/);
});

test("nothing that goes into a pipe is coloured, even where colours are forced", () => {
  for (const words of [["dev"], ["prodd"], ["--help"]]) {
    const { stdout, stderr } = run("render", words, { FORCE_COLOR: "1", TERM: "xterm-256color" });
    assert.ok(!`${stdout}${stderr}`.includes("\u001b"), words.join(" "));
  }
});

test("a deploy target is not brought up", () => {
  const { status, stderr } = run("up", ["prod", "--yes"]);
  assert.equal(status, 2);
  assert.match(stderr, /expected dev or development, got prod/);
});

test("rendering shows no secret's value, as text or as JSON", () => {
  for (const words of [["dev"], ["dev", "--json"], ["dev", "--verbose"]]) {
    const { stdout, stderr } = run("render", words);
    for (const value of Object.values(exampleSecrets))
      assert.ok(!`${stdout}${stderr}`.includes(value));
  }
});

test("an engine that does not answer is a refusal with the next command, and no bug", () => {
  const { status, stderr } = run("status", ["dev"], { DOCKER_HOST: "unix:///nowhere/docker.sock" });
  assert.equal(status, 3);
  assert.match(stderr, /^next: /m);
  assert.ok(!stderr.includes("this is a bug"));
});

test("a failure after which a person must act says so in JSON as in its exit code", () => {
  const { status, stdout } = run("status", ["dev", "--json"], {
    DOCKER_HOST: "unix:///nowhere/docker.sock",
  });
  const { code, exit, next } = object(stdout);
  assert.deepEqual({ code, exit }, { code: "ENGINE_UNREACHABLE", exit: status });
  assert.equal(typeof next, "string");
});

const nowhere = { DOCKER_HOST: "unix:///nowhere/docker.sock" };

test("a rollback whose flag npm ate is recognised, and not for a second release", () => {
  const { status, stdout } = run("rollback", ["0.15.1", "copy", "--json"], {
    ...nowhere,
    npm_config_database: "true",
  });
  assert.deepEqual([object(stdout)["code"], status], ["ENGINE_UNREACHABLE", 3]);
  const { status: without } = run("rollback", ["0.15.1", "copy"], nowhere);
  assert.equal(without, 2);
});

test("an environment whose flag npm ate is the one that is meant", () => {
  const { stdout } = run("rollback", ["staging", "--json"], {
    ...nowhere,
    npm_config_env: "true",
  });
  assert.equal(object(stdout)["environment"], "staging");
});

test("without a name a rollback is prod's", () => {
  assert.equal(object(run("rollback", ["--json"], nowhere).stdout)["environment"], "prod");
});

test("an unknown database strategy is bad input, and the known ones are listed", () => {
  const { status, stderr } = run("rollback", ["--database", "kepe"], nowhere);
  assert.equal(status, 2);
  assert.match(stderr, /keep, copy, downgrade, restore, auto/);
});

test("tables from the dump are bad input with any other way than carry", () => {
  const { status, stderr } = run("rollback", ["--from-dump", "agents"], nowhere);
  assert.equal(status, 2);
  assert.match(stderr, /expected --database copy/);
});

test("a local stack is not deployed", () => {
  const { status, stderr } = run("deploy", ["dev"], nowhere);
  assert.equal(status, 2);
  assert.match(stderr, /staging or prod/);
});

/** What conda and a developer export. */
const shell = {
  ...exampleSecrets,
  HOST: "x86_64-conda-linux-gnu",
  OPENAI_API_KEY: "placeholder-of-mine",
  LETTA_VERSION: "0.15.1",
};

for (const environment of ["staging", "prod"]) {
  test(`${environment}: a setting that the shell exports counts only by --from-env, and is reported`, () => {
    const settingsWith = (...words: string[]) => {
      const given = Object.keys(exampleSecrets).join(",");
      const typed = [environment, "--json", "--from-env", given, ...words];
      const { stdout } = runAsTyped("settings", typed, shell);
      const { settings } = object(stdout) as { settings: { name: string; origin: string }[] };
      return (name: string) => settings.find((one) => one.name === name)?.origin;
    };
    const without = settingsWith();
    assert.equal(without("OPENAI_API_KEY"), undefined);
    assert.match(without("HOST") ?? "", /^env\//u);
    assert.match(without("LETTA_VERSION") ?? "", /^env\//u);
    assert.equal(
      settingsWith("--from-env", "OPENAI_API_KEY")("OPENAI_API_KEY"),
      "process environment",
    );
    const reported = runAsTyped("render", [environment], shell);
    assert.match(
      reported.stderr,
      /not taken from the process environment: .*HOST.*OPENAI_API_KEY/u,
    );
    assert.ok(!reported.stderr.includes(shell.OPENAI_API_KEY));
  });
}

test("--from-env with a name that is no setting, or is not set, is bad input", () => {
  for (const [names, reported] of [
    ["OPENAI_API_KEI", "OPENAI_API_KEY"],
    ["PORT", "PORT"],
  ] as const) {
    const { status, stderr } = runAsTyped("plan", ["prod", "--from-env", names], shell);
    assert.equal(status, 2, stderr);
    assert.ok(stderr.includes(reported), stderr);
  }
});

test("where a database outside is given in vain, --from-env is the way on, not a new password", () => {
  const uri = "postgresql://letta:outside-secret@db.example/letta";
  const { LETTA_PG_PASSWORD: _, ...others } = exampleSecrets;
  const given = { ...others, LETTA_PG_URI: uri, ...nowhere };
  const words = ["prod", "--json", "--yes", "--from-env", Object.keys(others).join(",")];
  const { status, stdout } = runAsTyped("deploy", words, given);
  assert.equal(status, 2);
  assert.equal(object(stdout)["next"], "the same command with --from-env LETTA_PG_URI");
  const init = runAsTyped("secrets", ["init", "prod", "--json"], { LETTA_PG_URI: uri });
  assert.equal(init.status, 2);
  assert.match(String(object(init.stdout)["next"]), /--from-env LETTA_PG_URI/);
  assert.ok(!`${stdout}${init.stdout}${init.stderr}`.includes("outside-secret"));
});

test("an ignored HOST does not end a rollback with bad input", () => {
  const words = ["--json", "--yes", "--from-env", Object.keys(exampleSecrets).join(",")];
  const { status } = runAsTyped("rollback", words, { ...shell, ...nowhere });
  assert.equal(status, 3);
});

test("a version that is none is bad input, before anything is looked at", () => {
  const { status, stderr } = run("deploy", ["prod", "latest", "--yes"], nowhere);
  assert.equal(status, 2);
  assert.match(stderr, /LETTA_VERSION: expected a version/);
});

test("an unknown context, TLS without its files and an address of another kind are bad input", () => {
  for (const [environment, named] of [
    [{ DOCKER_CONTEXT: "prod-server-typo" }, "prod-server-typo"],
    [{ DOCKER_HOST: "tcp://127.0.0.1:2376", DOCKER_TLS_VERIFY: "1" }, "DOCKER_TLS_VERIFY"],
    [{ DOCKER_HOST: "tcp://192.0.2.7:2375" }, "plain HTTP"],
    [{ DOCKER_HOST: "npipe:////./pipe/docker_engine" }, "DOCKER_HOST"],
  ] as const) {
    for (const words of [
      ["plan", "dev"],
      ["doctor", "dev"],
      ["rollback", "--yes"],
    ]) {
      const { status, stderr } = run(words[0]!, words.slice(1), environment);
      assert.equal(status, 2, stderr);
      assert.ok(stderr.includes(named), stderr);
    }
  }
});

test("an engine whose name no one knows, or behind an ssh that fails, is unreachable and no bug", () => {
  for (const DOCKER_HOST of ["tcp://localhost:1", "ssh://deploy@no-such-host.invalid:2222"]) {
    const { status, stdout } = run("plan", ["dev", "--json"], { DOCKER_HOST });
    assert.deepEqual([object(stdout)["code"], status], ["ENGINE_UNREACHABLE", 3]);
  }
});
