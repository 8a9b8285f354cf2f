import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runHook, type HookCall } from "../../scripts/docker/runHook.ts";

const whole = mkdtempSync(join(tmpdir(), "hooks-"));
after(() => rmSync(whole, { recursive: true }));

/** A hook with this shell text, in a folder of its own with a space in its name. */
function hook(text: string, mode = 0o755) {
  const cwd = join(mkdtempSync(join(whole, "a-")), "my hooks");
  mkdirSync(cwd);
  const path = join(cwd, "before-deploy");
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, mode);
  return { cwd, path };
}

const PATH = process.env["PATH"];

function run({ cwd, path }: { cwd: string; path: string }, otherwise: Partial<HookCall> = {}) {
  return runHook(path, { cwd, timeoutMs: 20_000, environment: { PATH }, ...otherwise });
}

/** Whether a process that wrote its number there still runs; a zombie does not. */
function lives(file: string): boolean {
  try {
    const stat = readFileSync(`/proc/${readFileSync(file, "utf8").trim()}/stat`, "utf8");
    return !/\) [ZX]/.test(stat);
  } catch {
    return false;
  }
}

test("a hook that is not there is absent", async () => {
  const path = join(whole, "none");
  assert.deepEqual(await run({ cwd: whole, path }), { outcome: "absent", exit: null, output: "" });
});

test("a hook that ends well passed, and both its streams are reported", async () => {
  const done = await run(hook("echo out; sleep 0.05; echo err >&2"));
  assert.deepEqual(done, { outcome: "passed", exit: 0, output: "out\nerr\n" });
});

test("a hook that ends with another code failed, with that code", async () => {
  const done = await run(hook("echo no; exit 7"));
  assert.deepEqual(done, { outcome: "failed", exit: 7, output: "no\n" });
});

test("a hook that a signal ended failed, without a code", async () => {
  const done = await run(hook("kill -9 $$"));
  assert.deepEqual(done, { outcome: "failed", exit: null, output: "" });
});

test("a hook sees PATH, HOME, LANG and what begins with STACK_, and nothing else of ours", async () => {
  const environment = {
    PATH,
    HOME: "/home/ann",
    LANG: "C.UTF-8",
    STACK_RELEASE: "000003 $(id)",
    LETTA_PG_PASSWORD: "secret",
    NODE_OPTIONS: "--inspect",
    STACK: "no",
  };
  const { output } = await run(hook("exec env"), { environment });
  const seen = output.trim().split("\n").sort();
  // A shell adds where it is and what it is called by itself.
  assert.deepEqual(
    seen.filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(line)),
    ["HOME=/home/ann", "LANG=C.UTF-8", `PATH=${PATH}`, "STACK_RELEASE=000003 $(id)"],
  );
});

test("a hook runs where it is asked to, with no input and no argument", async () => {
  const one = hook('pwd; cat; echo "$# arguments"');
  assert.equal((await run(one)).output, `${one.cwd}\n0 arguments\n`);
});

test("a hook that is not executable is not run, and it says what to do", async () => {
  const one = hook("echo ran", 0o644);
  assert.deepEqual(await run(one), {
    outcome: "failed",
    exit: null,
    output: `${one.path}: expected an executable file: chmod +x ${one.path}`,
  });
});

test("a hook that others may write, or whose folder they may, is not run", async () => {
  for (const mode of [0o757, 0o775]) {
    const { outcome, output } = await run(hook("echo ran", mode));
    assert.equal(outcome, "failed");
    assert.match(output, /may write it, so it is not run: chmod go-w /);
    const one = hook("echo ran");
    chmodSync(one.cwd, mode);
    const refused = await run(one);
    assert.equal(refused.outcome, "failed");
    assert.ok(refused.output.startsWith(`${one.cwd}: `), refused.output);
  }
});

test("a hook of another user's, and a link to a program, are not run", async () => {
  const one = hook("echo ran");
  const link = join(one.cwd, "link");
  symlinkSync(one.path, link);
  assert.match((await run({ ...one, path: link })).output, /expected a file, and no link/);
  if (process.getuid?.() !== 0) return; // only root can give a file away
  chownSync(one.path, 65534, 65534);
  const { outcome, output } = await run(one);
  assert.equal(outcome, "failed");
  assert.match(output, /another user owns it \(uid 65534\)/);
});

test("a folder is no hook", async () => {
  assert.match((await run({ cwd: whole, path: whole })).output, /expected a file/);
});

test("a hook whose interpreter is not there failed, with its name", async () => {
  const one = hook("");
  writeFileSync(one.path, "#!/nowhere/sh\n");
  const done = await run(one);
  assert.deepEqual([done.outcome, done.exit], ["failed", null]);
  assert.ok(done.output.startsWith(`${one.path}: spawn`), done.output);
});

test("at the time limit a hook is ended with its children, and what it said is retained", async () => {
  const one = hook("echo begun; sleep 60 & echo $! > child; wait");
  const before = performance.now();
  const done = await run(one, { timeoutMs: 300 });
  assert.deepEqual(done, { outcome: "timed out", exit: null, output: "begun\n" });
  assert.ok(performance.now() - before < 30_000);
  assert.equal(lives(join(one.cwd, "child")), false);
});

test("a child that does not heed the request is killed five seconds later", async () => {
  const one = hook("(trap '' TERM; while :; do sleep 1; done) & echo $! > child; wait");
  const before = performance.now();
  const done = await run(one, { timeoutMs: 200 });
  const took = performance.now() - before;
  assert.equal(done.outcome, "timed out");
  assert.ok(took > 5000 && took < 30_000, `${took} ms`);
  assert.equal(lives(join(one.cwd, "child")), false);
});

test("what a hook leaves running in the background is not waited for", async () => {
  const one = hook("sleep 60 & echo $! > child; echo done");
  const before = performance.now();
  const done = await run(one);
  assert.deepEqual(done, { outcome: "passed", exit: 0, output: "done\n" });
  assert.ok(performance.now() - before < 30_000);
  process.kill(Number(readFileSync(join(one.cwd, "child"), "utf8")), "SIGKILL");
});

test("a hook is ended when it is asked to stop", async () => {
  const one = hook("echo $$ > child; exec sleep 60");
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  await assert.rejects(run(one, { signal: stop.signal }), { name: "AbortError" });
  assert.equal(lives(join(one.cwd, "child")), false);
});

test("of much output the last 64 KB are retained, in whole characters", async () => {
  const one = hook(
    "i=0; while [ $i -lt 4000 ]; do echo ääääääääääääääääääää; i=$((i+1)); done; echo end",
  );
  const { output, outcome } = await run(one);
  assert.equal(outcome, "passed");
  const size = Buffer.byteLength(output);
  assert.ok(size <= 65_536 && size > 65_532, `${size} bytes`);
  assert.ok(output.endsWith("ä\nend\n") && !output.includes("\uFFFD"));
});
