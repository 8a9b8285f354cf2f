import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { takeLock } from "../../scripts/ledger/lock.ts";
import { folder } from "./folder.ts";

const now = new Date("2026-05-04T03:02:01Z");
const module = new URL("../../scripts/ledger/lock.ts", import.meta.url).href;

/** Another process that takes the lock, says so, and keeps it until it is killed. */
async function holderOf(directory: string) {
  const script = `
    const { takeLock } = await import(${JSON.stringify(module)});
    takeLock(${JSON.stringify(directory)}, "deploy:prod", new Date("2026-01-02T03:04:05Z"));
    process.stdout.write("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  await once(child.stdout, "data");
  return child;
}

test("the second taker is told who holds it, since when and doing what", async () => {
  const directory = folder();
  const holder = await holderOf(directory);
  try {
    assert.throws(
      () => takeLock(directory, "up:dev", now),
      (error: Problem) => {
        assert.equal(error.code, "LOCKED");
        assert.equal(error.exit, 6);
        assert.match(
          error.message,
          /^deploy:prod of \S+ holds the lock since 2026-01-02T03:04:05\.000Z/,
        );
        assert.ok(error.message.includes(`pid ${holder.pid} on ${hostname()}`));
        return true;
      },
    );
  } finally {
    holder.kill("SIGKILL");
  }
});

test("a holder that was killed is succeeded at once", async () => {
  const directory = folder();
  const holder = await holderOf(directory);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  takeLock(directory, "up:dev", now)();
  assert.ok(!existsSync(join(directory, "lock")));
});

test("a process that has a dead holder's number is not taken for it", () => {
  const directory = folder();
  const holder = {
    pid: process.pid,
    started: "1",
    host: hostname(),
    user: "u",
    command: "c",
    since: "s",
  };
  writeFileSync(join(directory, "lock"), JSON.stringify(holder));
  takeLock(directory, "up:dev", now);
  const mine = JSON.parse(readFileSync(join(directory, "lock"), "utf8")) as { command: string };
  assert.equal(mine.command, "up:dev");
});

test("a holder on another host cannot be proven dead", () => {
  const directory = folder();
  const holder = { pid: 1, started: "1", host: "elsewhere", user: "u", command: "c", since: "s" };
  writeFileSync(join(directory, "lock"), JSON.stringify(holder));
  assert.throws(() => takeLock(directory, "up:dev", now), { code: "LOCKED" });
});

test("age alone proves nothing", () => {
  const directory = folder();
  takeLock(directory, "up:dev", new Date(0));
  assert.throws(() => takeLock(directory, "up:dev", now), { code: "LOCKED" });
});

test("what was given back can be taken again", () => {
  const directory = folder();
  takeLock(directory, "up:dev", now)();
  takeLock(directory, "up:dev", now)();
});

test("the lock is nobody else's to read", () => {
  const directory = folder();
  takeLock(directory, "up:dev", now);
  assert.equal(statSync(join(directory, "lock")).mode & 0o777, 0o600);
});

/** What many processes are told that reach for one lock at the same moment. */
async function rush(directory: string): Promise<string[]> {
  const moment = Date.now() + 900;
  const script = `
    const { takeLock } = await import(${JSON.stringify(module)});
    while (Date.now() < ${moment});
    try { takeLock(${JSON.stringify(directory)}, "up:dev", new Date()); process.stdout.write("held"); }
    catch (error) { process.stdout.write(String(error.code)); }
    setTimeout(() => {}, 5000);`;
  const takers = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    }),
  );
  const said = await Promise.all(
    takers.map(async (one) => String((await once(one.stdout, "data"))[0])),
  );
  for (const one of takers) one.kill("SIGKILL");
  return said.sort();
}

const oneOfSix = [...Array.from({ length: 5 }, () => "LOCKED"), "held"];

test("of many that find no lock at the same moment, one holds", async () => {
  assert.deepEqual(await rush(folder()), oneOfSix);
});

test("of many that find a dead holder's lock at the same moment, one holds", async () => {
  const directory = folder();
  const holder = {
    pid: process.pid,
    started: "1",
    host: hostname(),
    user: "u",
    command: "c",
    since: "s",
  };
  writeFileSync(join(directory, "lock"), JSON.stringify(holder));
  assert.deepEqual(await rush(directory), oneOfSix);
});
