import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { pauseScript, renewScript, resumeScript } from "../../scripts/deploy/proxyControl.ts";

// The scripts as they are, in a folder of their own; what Caddy makes of the files they write is
// seen in test/real/proxy.test.ts.
const folder = mkdtempSync(join(tmpdir(), "gate-"));
after(() => rmSync(folder, { recursive: true }));
const gate = join(folder, "gate");
const retained = join(folder, "config");
const busybox = join(folder, "busybox");
writeFileSync(busybox, '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });

beforeEach(() => {
  for (const one of [gate, retained]) {
    rmSync(one, { recursive: true, force: true });
    mkdirSync(one);
  }
});

async function run(script: string): Promise<string> {
  const placed = script
    .replaceAll("/probe/busybox", busybox)
    .replaceAll("/config/", `${retained}/`)
    .replaceAll("cd /gate", `cd ${gate}`);
  const child = spawn("sh", ["-ec", placed], { stdio: ["ignore", "pipe", "inherit"] });
  const [said, [code]] = await Promise.all([
    text(child.stdout),
    new Promise<[number | null]>((resolve) => child.once("exit", (exit) => resolve([exit]))),
  ]);
  assert.equal(code, 0, script);
  return said.trim();
}

const isPaused = () => existsSync(join(gate, "holding"));
const read = (file: string) => readFileSync(join(gate, file), "utf8").trim();

async function until(holds: () => boolean, seconds: number): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!holds() && performance.now() < end) await sleep(50);
  assert.ok(holds());
}

test("a pause that is not renewed ends, and requests go to the server", async () => {
  assert.equal(await run(pauseScript("a1", 4)), "");
  assert.ok(isPaused());
  assert.equal(read("held"), "127.0.0.1");
  await until(() => !isPaused(), 20);
  assert.equal(read("held"), "server");
  assert.equal(read("open"), "server");
  assert.equal(await run(renewScript("a1", 20)), "ended");
  assert.ok(!isPaused(), "what has ended is not begun again");
});

test("a renewed pause goes on", async () => {
  await run(pauseScript("a1", 6));
  assert.equal(await run(renewScript("a1", 20)), "paused");
  await sleep(7000);
  assert.ok(isPaused());
  assert.equal(await run(renewScript("a1", 20)), "paused");
});

test("the watch of a killed run does not end a newer pause", async () => {
  await run(pauseScript("a1", 6));
  assert.equal(await run(pauseScript("b2", 20)), "a1", "it followed without a gap");
  await sleep(7000);
  assert.ok(isPaused());
  assert.equal(await run(renewScript("a1", 20)), "ended");
  assert.equal(await run(renewScript("b2", 20)), "paused");
});

test("a pause that follows one that has ended says so", async () => {
  await run(pauseScript("a1", 20));
  await run(resumeScript("server"));
  assert.equal(await run(pauseScript("b2", 20)), "");
});

test("resuming sends requests to the given host, and an overlapping renewal changes nothing", async () => {
  await run(pauseScript("a1", 20));
  const [, said] = await Promise.all([
    run(resumeScript("0123456789ab")),
    run(renewScript("a1", 20)),
  ]);
  assert.match(said, /^(?:paused|ended)$/);
  assert.ok(!isPaused());
  assert.equal(read("open"), "0123456789ab");
  assert.equal(await run(renewScript("a1", 20)), "ended");
  assert.ok(!existsSync(join(retained, "holding")), "a restart begins no pause");
});

test("a disk that takes no copy costs no pause", async () => {
  rmSync(retained, { recursive: true });
  await run(pauseScript("a1", 20));
  assert.equal(await run(renewScript("a1", 20)), "paused");
  await run(resumeScript("server"));
  assert.ok(!isPaused());
});

test("what a restarted container goes by is the copy, with the expiry of the last renewal", async () => {
  await run(pauseScript("a1", 20));
  await run(renewScript("a1", 600));
  const [token, end] = readFileSync(join(retained, "holding"), "utf8").trim().split(" ");
  assert.equal(token, "a1");
  assert.ok(Number(end) > Date.now() / 1000 + 500);
  assert.ok(existsSync(join(retained, "watch")));
});
