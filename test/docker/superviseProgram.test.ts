import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  runProgram,
  superviseProgram,
  type Supervision,
} from "../../scripts/docker/superviseProgram.ts";

const folder = mkdtempSync(join(tmpdir(), "supervise-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

/** Runs a shell script; `$F` is a file of the test's own, which has a line for each start. */
async function run(script: string, more: Partial<Supervision> = {}) {
  const file = join(folder, String((count += 1)));
  writeFileSync(file, "");
  const pauses: number[] = [];
  const supervised = superviseProgram("/bin/sh", ["-c", `echo start >> "$F"; ${script}`], {
    environment: { F: file, PATH: "/usr/bin:/bin" },
    cwd: folder,
    graceMs: 5_000,
    pauseMs: 4,
    longestPauseMs: 10,
    mostCrashes: 4,
    steadyMs: 60_000,
    now: () => performance.now(),
    onCrash: (_, pauseMs) => void pauses.push(pauseMs),
    signal: new AbortController().signal,
    ...more,
  });
  const lines = () => readFileSync(file, "utf8").trim().split("\n");
  return { supervised, pauses, lines };
}

/** Says stop as soon as the program has said that it is there; it may have before we look. */
async function stopWhenReady(stop: AbortController, lines: () => string[]): Promise<void> {
  while (!lines().includes("ready")) await sleep(5);
  stop.abort();
}

test("a program that crashes is started again with longer pauses, and not for ever", async () => {
  const { supervised, pauses, lines } = await run("exit 3");
  assert.deepEqual(await supervised, { outcome: "crashed", how: "exit 3", restarts: 3 });
  assert.deepEqual(pauses, [4, 8, 10]);
  assert.equal(lines().length, 4);
});

test("one that was killed from outside has crashed", async () => {
  const { supervised } = await run("kill -9 $$", { mostCrashes: 2 });
  assert.deepEqual(await supervised, { outcome: "crashed", how: "ended by SIGKILL", restarts: 1 });
});

test("crashes after a time that it ran well do not add up", async () => {
  let clock = 0;
  const { supervised, pauses } = await run('[ $(wc -l < "$F") -ge 7 ]', {
    now: () => (clock += 60_000),
  });
  assert.equal((await supervised).outcome, "ended");
  assert.deepEqual(pauses, [4, 4, 4, 4, 4, 4]);
});

test("one that ends well by itself is not started again", async () => {
  const { supervised } = await run("exit 0");
  assert.deepEqual(await supervised, { outcome: "ended", how: "exit 0", restarts: 0 });
});

test("one that is asked to end may do what it has to, and is not started again", async () => {
  const reported = `trap 'sleep 0.1; echo done >> "$F"; exit 7' TERM; echo ready >> "$F"; while :; do sleep 0.01; done`;
  const stop = new AbortController();
  const { supervised, lines } = await run(reported, { signal: stop.signal });
  await stopWhenReady(stop, lines);
  assert.deepEqual(await supervised, { outcome: "stopped", how: "exit 7", restarts: 0 });
  assert.deepEqual(lines(), ["start", "ready", "done"]);
});

test("one that does not end in its time is killed", async () => {
  const stop = new AbortController();
  const deaf = `trap '' TERM; echo ready >> "$F"; while :; do sleep 0.01; done`;
  const { supervised, lines } = await run(deaf, { signal: stop.signal, graceMs: 50 });
  await stopWhenReady(stop, lines);
  assert.equal((await supervised).outcome, "killed");
});

test("Ctrl-C during a pause ends the waiting and starts nothing more", async () => {
  const stop = new AbortController();
  const { supervised, lines } = await run("exit 1", {
    signal: stop.signal,
    pauseMs: 60_000,
    longestPauseMs: 60_000,
    onCrash: () => setImmediate(() => stop.abort()),
  });
  assert.equal((await supervised).outcome, "stopped");
  assert.equal(lines().length, 1);
});

test("a program that is not there is reported as such and not tried again", async () => {
  const gone = await superviseProgram(join(folder, "gone"), [], {
    environment: {},
    cwd: folder,
    graceMs: 1,
    pauseMs: 1,
    longestPauseMs: 1,
    mostCrashes: 3,
    steadyMs: 1,
    now: () => 0,
    signal: new AbortController().signal,
  });
  assert.equal(gone.outcome, "not started");
  assert.match(gone.how, /ENOENT/);
});

test("a program that is run to its end has no more environment than it is given", async () => {
  const call = { environment: { ONLY: "this" }, timeoutMs: 5_000 };
  const { code, stdout } = await runProgram("/usr/bin/env", [], call);
  assert.deepEqual([code, stdout], [0, "ONLY=this\n"]);
});

test("a program that takes too long is ended", async () => {
  const { code } = await runProgram("/bin/sleep", ["5"], { environment: {}, timeoutMs: 50 });
  assert.equal(code, -1);
});

test("the time limit of a program whose output is taken is one without output", async () => {
  const call = { environment: { PATH: "/usr/bin:/bin" }, timeoutMs: 1_000 };
  const run = async (script: string) => {
    const taken: Buffer[] = [];
    const onOutput = (chunk: Buffer) => void taken.push(chunk);
    const { code } = await runProgram("/bin/sh", ["-c", script], { ...call, onOutput });
    return [code, Buffer.concat(taken).toString()];
  };
  const steady = "for one in 1 2 3 4; do printf $one; sleep 0.4; done";
  assert.deepEqual(await run(steady), [0, "1234"]);
  assert.deepEqual(await run("printf 1; exec sleep 60"), [-1, "1"]);
});

test("a program that is asked to end and does not is killed, with what it has left open", async () => {
  const stop = new AbortController();
  const running = runProgram("/bin/sh", ["-c", "trap '' INT; echo ready; sleep 60"], {
    environment: { PATH: "/usr/bin:/bin" },
    timeoutMs: 60_000,
    signal: stop.signal,
    ending: { by: "SIGINT", graceMs: 50 },
    onOutput: () => stop.abort(),
  });
  await assert.rejects(running, { name: "AbortError" });
});
