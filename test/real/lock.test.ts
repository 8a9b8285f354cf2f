// Locks that are where the thing is: on the real engine and on a real Postgres. Each holder is a
// process of its own, as only that can be killed.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { portsOf } from "./portsOf.ts";
import { docker, workspace } from "./workspace.ts";

const place = workspace("lock", portsOf("lock"));
const project = `test-${process.pid}`;
const container = `letta-stack-lock-${project}`;
const outside = "letta-test-lock-outside";
const children: ChildProcess[] = [];
let image: string;
let uri: string;

before(async () => {
  const built = await place.run("images", ["build", "postgres", "--yes"]);
  assert.equal(built.code, 0, built.stderr);
  const format = ["--format", "{{.Repository}}:{{.Tag}}"];
  [image = ""] = docker("images", "letta-stack/postgres", ...format).split("\n");
  const variables = ["POSTGRES_USER=letta", "POSTGRES_DB=letta", "POSTGRES_PASSWORD=outside12345"];
  docker("run", "-d", "--name", outside, ...variables.flatMap((one) => ["-e", one]), image);
  const address = docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", outside);
  uri = `postgresql://letta:outside12345@${address}:5432/letta`;
  const ready = ["exec", "-e", "PGPASSWORD=outside12345", outside, "psql", "-h", address];
  for (let tries = 0; ; tries += 1) {
    try {
      docker(...ready, "-U", "letta", "-c", "SELECT 1");
      return;
    } catch (error) {
      if (tries === 300) throw error;
      await sleep(200);
    }
  }
});
after(async () => {
  for (const one of children) one.kill("SIGKILL");
  docker("rm", "-f", "-v", outside);
  await place.remove();
});

/** Takes the engine's lock, or the database's. */
const takes = {
  engine: (who: string, wait: boolean) => `
    const { takeEngineLock } = await import("${here("state/takeEngineLock.ts")}");
    const since = new Date().toISOString();
    const holder = { command: "deploy:prod", user: "${who}", host: "box", pid: process.pid, since, installation: "i" };
    const held = await takeEngineLock(engine, "${project}", holder, { wait: ${wait} });`,
  database: (who: string, wait: boolean) => `
    const { takeDatabaseLock } = await import("${here("database/takeDatabaseLock.ts")}");
    const { externalServer } = await import("${here("database/sql.ts")}");
    const server = externalServer(engine, { uri: "${uri}", image: "${image}", network: "bridge" });
    const held = await takeDatabaseLock(server, { holder: "deploy:prod ${who}@box 1a2b3c4d",
      wait: ${wait}, onWait: () => undefined, signal: new AbortController().signal });`,
};

function here(path: string): string {
  return new URL(`../../scripts/${path}`, import.meta.url).href;
}

/** A process that takes a lock, says so, and watches it until it ends. */
function run(lock: keyof typeof takes, who: string, how: { wait?: boolean; apart?: boolean } = {}) {
  const script = `
    const { dockerEngine } = await import("${here("docker/dockerEngine.ts")}");
    const { endpoint } = await import("${here("docker/endpoint.ts")}");
    const engine = dockerEngine(endpoint(process.env), process.env);
    try {${takes[lock](who, how.wait ?? false)}
      process.stdout.write("held\\n");
      while (await held.isAlive()) await new Promise((resolve) => setTimeout(resolve, 100));
      process.stdout.write("lost\\n");
    } catch (error) { process.stdout.write(error.code + " " + error.message + "\\n"); }
    process.exit();`;
  const node = [process.execPath, "--input-type=module", "-e", script];
  const [program = "", ...argv] = how.apart ? ["unshare", "-n", ...node] : node;
  const child = spawn(program, argv, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return { child, says: async () => String((await once(child.stdout, "data"))[0]).trim() };
}

for (const lock of ["engine", "database"] as const) {
  test(`${lock}: the second run is refused with who holds it, and has it soon after a kill -9`, async () => {
    const first = run(lock, "ann");
    assert.equal(await first.says(), "held");
    assert.match(await run(lock, "bob").says(), /^LOCKED deploy:prod .*ann/);
    const waiting = run(lock, "cid", { wait: true });
    first.child.kill("SIGKILL");
    const killedAt = performance.now();
    assert.equal(await waiting.says(), "held");
    assert.ok(performance.now() - killedAt < 20_000);
    waiting.child.kill("SIGKILL");
  });
}

test("engine: a run in another network namespace waits", async () => {
  const first = run("engine", "ann", { wait: true });
  assert.equal(await first.says(), "held");
  assert.match(await run("engine", "bob", { apart: true }).says(), /^LOCKED deploy:prod of ann/);
  first.child.kill("SIGKILL");
});

test("engine: a holder whose container is removed learns it", async () => {
  const first = run("engine", "ann", { wait: true });
  assert.equal(await first.says(), "held");
  docker("rm", "-f", container);
  assert.equal(await first.says(), "lost");
});

test("engine: a container that was made and never started blocks nothing", async () => {
  const labels = `letta-stack.lock=${JSON.stringify({ lock: container, pid: 1 })}`;
  docker("create", "--name", container, "--label", labels, image);
  const next = run("engine", "ann");
  assert.equal(await next.says(), "held");
  next.child.kill("SIGKILL");
});

test("database: a holder whose session is ended learns it", async () => {
  const first = run("database", "ann", { wait: true });
  assert.equal(await first.says(), "held");
  const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'letta-stack deploy%'`;
  docker("exec", outside, "psql", "-U", "letta", "-c", end);
  assert.equal(await first.says(), "lost");
});
