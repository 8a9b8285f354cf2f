import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { hostname } from "node:os";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Problem } from "../../scripts/common/problem.ts";
import { type Holder, lockAddress } from "../../scripts/state/lockAddress.ts";
import { lockHolder, stateLock, takeLock } from "../../scripts/state/lock.ts";
import { folder } from "./folder.ts";

const module = new URL("../../scripts/state/lock.ts", import.meta.url).href;
const me = { command: "up:dev", since: "2026-05-04T03:02:01.000Z" };
const children: ChildProcess[] = [];
after(() => children.forEach((one) => one.kill("SIGKILL")));

let count = 0;
/** A name that no other test has. */
const fresh = () => `test/${process.pid}/${(count += 1)}`;
const { platform } = process;

/** Another process that runs this with the lock's module; it says what it has to say. */
function other(script: string) {
  const text = `const { takeLock } = await import(${JSON.stringify(module)});\n${script}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", text], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  return { child, says: async () => String((await once(child.stdout, "data"))[0]) };
}

/** Another process that holds these until it is ended; `then` runs while it does. */
async function holderOf(name: string, system: string = platform, then = "") {
  const { child, says } = other(`
    globalThis.giveBack = await takeLock(${JSON.stringify(name)},
      { command: "deploy:prod", since: "2026-01-02T03:04:05.000Z" },
      { wait: false, platform: ${JSON.stringify(system)} });
    setInterval(() => {}, 1000);
    ${then}
    process.stdout.write("held");`);
  assert.equal(await says(), "held");
  return child;
}

/** Takes and gives back, or says why not. */
async function tried(name: string, system: string = platform) {
  return takeLock(name, me, { wait: false, platform: system }).then(
    async (giveBack) => void (await giveBack()),
    (error: Problem) => error,
  );
}

for (const system of ["linux", "darwin"]) {
  test(`${system}: the second taker learns who holds it, since when and doing what`, async () => {
    const name = fresh();
    const holder = await holderOf(name, system);
    const problem = await tried(name, system);
    assert.equal(problem?.code, "LOCKED");
    assert.equal(problem?.exit, 6);
    assert.match(
      problem?.message ?? "",
      /^deploy:prod of \S+ holds the lock since 2026-01-02T03:04:05\.000Z/,
    );
    assert.ok(problem?.message.includes(`pid ${holder.pid} on ${hostname()}`));
  });

  test(`${system}: a holder that was killed is succeeded at once`, async () => {
    const name = fresh();
    const holder = await holderOf(name, system);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    assert.equal(await tried(name, system), undefined);
  });

  test(`${system}: a child that outlives a killed holder does not hold the lock`, async () => {
    const name = fresh();
    const { child, says } = other(`
      const { spawn } = await import("node:child_process");
      await takeLock(${JSON.stringify(name)}, { command: "up:dev", since: "" },
        { wait: false, platform: ${JSON.stringify(system)} });
      const child = spawn("sleep", ["60"], { stdio: "inherit", detached: true });
      process.stdout.write(String(child.pid));`);
    const grandchild = Number(await says());
    try {
      child.kill("SIGKILL");
      await once(child, "exit");
      assert.ok(process.kill(grandchild, 0), "the grandchild ended with its parent");
      assert.equal(await tried(name, system), undefined);
    } finally {
      process.kill(grandchild, "SIGKILL");
    }
  });

  test(`${system}: who waits goes on after the holder was killed`, async () => {
    const name = fresh();
    const holder = await holderOf(name, system);
    const seen: (Holder | undefined)[] = [];
    const onWait = (one: Holder | undefined) => void seen.push(one);
    const waiting = takeLock(name, me, { wait: true, onWait, platform: system });
    while (seen.length === 0) await sleep(5);
    await sleep(100);
    holder.kill("SIGKILL");
    await (
      await waiting
    )();
    assert.deepEqual(
      seen.map((one) => [one?.pid, one?.command]),
      [[holder.pid, "deploy:prod"]],
    );
  });
}

test("a holder that was stopped is still a holder", async () => {
  const name = fresh();
  const holder = await holderOf(name);
  holder.kill("SIGSTOP");
  const problem = await tried(name);
  assert.equal(problem?.code, "LOCKED");
  assert.match(problem?.message ?? "", /^a process that does not answer holds the lock/);
  assert.equal(await lockHolder(name), "silent");
});

test("who waits for a stopped holder goes on when it is killed", async () => {
  const name = fresh();
  const holder = await holderOf(name);
  holder.kill("SIGSTOP");
  const seen: unknown[] = [];
  const waiting = takeLock(name, me, { wait: true, onWait: (one) => void seen.push(one) });
  while (seen.length === 0) await sleep(20);
  holder.kill("SIGKILL");
  await (
    await waiting
  )();
  assert.deepEqual(seen, [undefined]);
});

test("who waits goes on when the lock is given back by a holder that lives on", async () => {
  const name = fresh();
  const giveBack = await takeLock(name, { ...me, command: "first" }, { wait: false });
  let waited = false;
  const waiting = takeLock(name, me, { wait: true, onWait: () => (waited = true) });
  while (!waited) await sleep(5);
  await giveBack();
  await (
    await waiting
  )();
});

test("waiting ends when it is asked to, and the lock is as it was", async () => {
  const name = fresh();
  const holder = await holderOf(name);
  const stop = new AbortController();
  const onWait = () => void setTimeout(() => stop.abort(), 20);
  await assert.rejects(takeLock(name, me, { wait: true, onWait, signal: stop.signal }), {
    name: "AbortError",
  });
  const found = await lockHolder(name);
  assert.equal(typeof found === "object" && found.pid, holder.pid);
});

test("of two that reach for it at the same moment, one holds: twenty times", async () => {
  const name = fresh();
  const takers = [0, 1].map(() =>
    other(`
      process.stdout.write("ready");
      process.stdin.setEncoding("utf8");
      for await (const moment of process.stdin) {
        while (Date.now() < Number(moment));
        try {
          const giveBack = await takeLock(${JSON.stringify(name)},
            { command: "up:dev", since: "" }, { wait: false });
          setTimeout(async () => { await giveBack(); process.stdout.write("held"); }, 150);
        } catch (error) { process.stdout.write(String(error.code)); }
      }`),
  );
  await Promise.all(takers.map((one) => one.says()));
  for (let round = 0; round < 20; round += 1) {
    const said = takers.map((one) => one.says());
    const moment = Date.now() + 30;
    for (const one of takers) one.child.stdin.write(String(moment));
    assert.deepEqual((await Promise.all(said)).sort(), ["LOCKED", "held"], `round ${round}`);
  }
});

test("two runs on the same state directory exclude each other, others do not", async () => {
  const [one, two] = [folder(), folder()];
  const giveBack = await takeLock(stateLock(one), me, { wait: false });
  try {
    assert.equal((await tried(stateLock(one)))?.code, "LOCKED");
    assert.equal(await tried(stateLock(two)), undefined);
  } finally {
    await giveBack();
  }
});

test("the listener at a lock's socket is named as the kernel knows it, with the command that ends it", async () => {
  const name = fresh();
  const holder = await holderOf(name);
  const problem = await tried(name);
  const uid = process.getuid!();
  assert.match(
    problem!.details.join(),
    new RegExp(`process ${holder.pid} \\(.+\\) of user ${uid} `),
  );
  assert.match(problem!.next!, new RegExp(`kill ${holder.pid}$`));
});

test("what was given back can be taken again, and giving back twice takes it from no one", async () => {
  const name = fresh();
  const first = await takeLock(name, me, { wait: false });
  await first();
  const second = await takeLock(name, me, { wait: false });
  await first();
  assert.equal((await tried(name))?.code, "LOCKED");
  await second();
});

test("the lock does not keep a process alive, and a process that ends gives it back", async () => {
  const name = fresh();
  const { child } = other(`
    await takeLock(${JSON.stringify(name)}, { command: "up:dev", since: "" }, { wait: false });`);
  const [exit] = (await once(child, "exit")) as [number];
  assert.equal(exit, 0);
  assert.equal(await lockHolder(name), undefined);
});

/** Something else that listens where a name's lock would be, and says this. */
async function strangerAt(name: string, says: string) {
  const server = createServer((socket) => void socket.on("error", () => undefined).end(says));
  server.listen(lockAddress(name, "darwin"));
  await once(server, "listening");
  return () => server.close();
}

test("a stranger on a lock's port is distinguished from a holder, with the port", async () => {
  const name = fresh();
  const close = await strangerAt(name, "HTTP/1.1 400 Bad Request\r\n\r\n");
  const problem = await tried(name, "darwin");
  assert.equal(problem?.code, "LOCKED");
  assert.match(problem?.message ?? "", /at port 4\d{4} of 127\.0\.0\.1, found no letta-stack$/);
  close();
});

test("another lock that fell on the same port is named", async () => {
  const name = fresh();
  const close = await strangerAt(name, `${JSON.stringify({ lock: "project/x", pid: 5 })}\n`);
  const problem = await tried(name, "darwin");
  assert.match(problem?.message ?? "", /found another lock, project\/x \(pid 5\)$/);
  close();
});

test("someone who hangs up without a word is given up after a while", async () => {
  const name = fresh();
  const close = await strangerAt(name, "");
  const problem = await tried(name, "darwin");
  assert.match(problem?.message ?? "", /^a process that does not answer/);
  close();
});

test("what a stranger calls itself cannot move the terminal's cursor", async () => {
  const name = fresh();
  const said = { lock: name, pid: 5, host: "h", user: "\u001B[2Jroot", command: "c", since: "s" };
  const close = await strangerAt(name, `${JSON.stringify(said)}\n`);
  const problem = await tried(name, "darwin");
  assert.equal(problem?.message, "c of [2Jroot holds the lock since s (pid 5 on h)");
  close();
});

test("a name fits into an abstract socket's 107 bytes, however long it is", () => {
  const long = (end: string) => lockAddress(`state/${"ä".repeat(500)}${end}`, "linux");
  for (const one of [long("1"), lockAddress("project/a", "linux")])
    assert.ok("path" in one && Buffer.byteLength(one.path) <= 107);
  assert.notDeepEqual(long("1"), long("2"));
});
