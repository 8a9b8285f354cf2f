import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import test, { after } from "node:test";
import { containerIds, docker, workspace } from "./workspace.ts";
import { attributesOf, eventsDuring } from "./eventsDuring.ts";
import { bringUp, touched, type Change } from "./bringUp.ts";
import { portsOf } from "./portsOf.ts";

// The stack itself, on the real engine with the real parts, as a stranger would meet it.
const place = workspace("up", portsOf("up"));
const server = `http://127.0.0.1:${place.environment["PORT"]}`;

const up = () => bringUp(place);

after(() => place.remove());

test("up from nothing ends verified, in the order of the original start script", async () => {
  const { ran, said } = await up();
  assert.equal(ran.code, 0, JSON.stringify(said));
  assert.equal(said["ok"], true);
  assert.equal(said["release"], "000001");
  assert.equal(said["from"], null);
  assert.deepEqual(said["server"], { version: "0.16.8" });
  assert.match(String(said["url"]), /^http:\/\/127\.0\.0\.1:\d+$/);
  const steps = (said["steps"] as { name: string }[]).map((one) => one.name);
  const order = [
    "database ready",
    "migrations",
    "sandbox permissions",
    "collector healthy",
    "redis healthy",
    "server healthy",
    "verify",
  ];
  assert.deepEqual(
    steps.filter((name) => order.includes(name)),
    order,
  );
  const checks = said["checks"] as { name: string; outcome: string; detail: string }[];
  const notPassed = checks.filter((one) => one.outcome !== "passed");
  assert.deepEqual(notPassed.map((one) => `${one.outcome}: ${one.name}`).sort(), [
    "skipped: Datadog reporting",
    "skipped: Grafana link",
    "skipped: failover and retry",
    "skipped: server's password",
  ]);
  assert.equal(checks.length, 21);
});

test("the server keeps its connections in a pool, over TLS", async () => {
  for (let one = 0; one < 5; one += 1) await (await fetch(`${server}/v1/agents/?limit=1`)).text();
  const asked =
    "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'letta' AND ssl AND state = 'idle'";
  const postgres = `${place.project}-postgres-1`;
  const found = docker(
    "exec",
    postgres,
    "psql",
    "-U",
    "letta_admin",
    "-d",
    "letta",
    "-qAtc",
    asked,
  );
  assert.ok(Number(found) > 0, found);
});

test("a second up touches no container", async () => {
  const ids = containerIds(place.project);
  const { ran, said } = await up();
  assert.equal(ran.code, 0);
  assert.deepEqual(touched(said.changes), []);
  assert.deepEqual(containerIds(place.project), ids);
});

test("what the tool wrote and said holds no secret, and only its owner can read it", () => {
  const secrets = readFileSync(join(place.root, "env/dev.secrets.env"), "utf8")
    .split("\n")
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => line.slice(line.indexOf("=") + 1).replaceAll(/['"]/g, ""));
  assert.ok(secrets.length >= 3);
  const state = join(place.root, ".stack");
  for (const entry of readdirSync(state, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    assert.equal(statSync(path).mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, path);
    if (entry.isDirectory()) continue;
    const text = readFileSync(path, "utf8");
    for (const secret of secrets) assert.ok(!text.includes(secret), `${path} holds a secret`);
  }
  const others = ["postgres", "collector", "permissions"].map(
    (name) => containerIds(place.project)[name]!,
  );
  const inspected = docker("inspect", ...others);
  for (const secret of secrets)
    assert.ok(!inspected.includes(secret), "another service shows a secret");
});

test("plain Compose works on the rendered file", () => {
  const file = join(place.root, ".stack/dev/releases/000001/compose.yaml");
  const services = docker("compose", "-f", file, "-p", place.project, "ps", "--services")
    .split("\n")
    .sort();
  assert.deepEqual(services, ["collector", "postgres", "redis", "server"]);
  assert.match(
    docker("compose", "-f", file, "-p", place.project, "logs", "--tail", "1", "postgres"),
    /postgres/,
  );
});

test("a service that was killed is started again, and no other", async () => {
  const ids = containerIds(place.project);
  docker("kill", ids["collector"]!);
  const { ran, said } = await up();
  assert.equal(ran.code, 0, JSON.stringify(said));
  assert.deepEqual(touched(said.changes), ["start collector: exited (137)"]);
  assert.deepEqual(containerIds(place.project), ids);
});

test("verify tells a stack that works from one that does not", async () => {
  const good = await place.run("verify", ["dev", "--json"]);
  assert.equal(good.code, 0, good.stdout);
  docker("update", "--pids-limit", "111", containerIds(place.project)["collector"]!);
  const drifted = await place.run("verify", ["dev", "--json"]);
  assert.equal(drifted.code, 10, drifted.stdout);
  assert.match(drifted.stdout, /"drift":\[\{"service":"collector"/);
  docker("stop", containerIds(place.project)["collector"]!);
  const bad = await place.run("verify", ["dev", "--json"]);
  assert.equal(bad.code, 5);
  const failed = (
    JSON.parse(bad.stdout) as { checks: { name: string; outcome: string }[] }
  ).checks.filter((one) => one.outcome === "failed");
  assert.ok(failed.some((one) => one.name === "collector healthy"));
  assert.ok(failed.some((one) => one.name === "OTLP gRPC"));
});

test("status and logs say what runs", async () => {
  const status = JSON.parse((await place.run("status", ["dev", "--json"])).stdout) as {
    services: Record<string, string>[];
  };
  const seen = status.services.find((one) => one["service"] === "server");
  assert.equal(seen?.["version"], "0.16.8");
  assert.match(seen?.["digest"] ?? "", /^sha256:/);
  const logs = await place.run("logs", ["dev", "migrate", "--tail", "500"]);
  assert.match(logs.stdout, /alembic/i);
});

test("rows outlive down and up, and down stops every service by itself", async () => {
  const agent = {
    name: "retained",
    model: "letta/letta-free",
    embedding: "letta/letta-free",
    memory_blocks: [],
  };
  const made = await fetch(`${server}/v1/agents/`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(agent),
  });
  assert.equal(made.status, 200);
  const down = await place.run("down", ["dev", "--json"]);
  assert.equal(down.code, 0, down.stderr);
  assert.deepEqual(containerIds(place.project), {});
  const { ran } = await up();
  assert.equal(ran.code, 0);
  const { stdout: database } = await place.run("logs", ["dev", "postgres"]);
  assert.doesNotMatch(database, /not properly shut down/, "its stop was a crash");
  assert.match(database, /database system was shut down/);
  const names = ((await (await fetch(`${server}/v1/agents/`)).json()) as { name: string }[]).map(
    (one) => one.name,
  );
  assert.deepEqual(names, ["retained"]);
});

test("down kills nothing that stops by itself", async () => {
  const { result: down, events } = await eventsDuring(place.project, () =>
    place.run("down", ["dev"]),
  );
  assert.equal(down.code, 0, down.stderr);
  const of = (action: string, attribute: string) =>
    events
      .filter((one) => one.Action === action)
      .map(attributesOf)
      .map((own) => `${own["name"]} ${own[attribute]}`)
      .join("\n");
  const signals = of("kill", "signal");
  const stopped = signals.split("\n").map((line) => line.split(" ")[0]!.split("-").at(-2));
  assert.deepEqual(stopped, ["server", "redis", "collector", "postgres"], signals);
  assert.doesNotMatch(signals, / 9$/m, "a service was killed");
  const ended = of("die", "exitCode");
  assert.match(ended, /postgres-1 0$/m, ended);
  assert.match(ended, /collector-1 0$/m, ended);
  assert.match(ended, /redis-1 0$/m, ended);
});

test("plain Compose brings the rendered file up in the same order, and up finds nothing to do", async () => {
  const releases = readdirSync(join(place.root, ".stack/dev/releases")).sort();
  const file = join(place.root, ".stack/dev/releases", releases.at(-1)!, "compose.yaml");
  const secrets = join(place.root, "env/dev.secrets.env");
  docker("compose", "--env-file", secrets, "-p", place.project, "-f", file, "up", "-d", "--wait");
  const ids = containerIds(place.project);
  const started = (service: string) =>
    docker("inspect", "-f", "{{.State.StartedAt}}", ids[service]!);
  const order = ["postgres", "migrate", "permissions", "collector", "server"];
  const times = order.map(started);
  assert.deepEqual([...times].sort(), times);
  const { said } = await up();
  assert.deepEqual(touched(said.changes), []);
});

test("a dry run writes nothing, to the engine or to the disk", async () => {
  const before = readdirSync(join(place.root, ".stack"), { recursive: true }).sort();
  const { result: plan, events } = await eventsDuring(place.project, () =>
    place.run("up", ["dev", "--dry-run", "--json"], { LETTA_DEBUG: "false" }),
  );
  assert.equal(plan.code, 0, plan.stdout);
  const said = JSON.parse(plan.stdout) as { changes: Change[]; database: { action: string } };
  assert.deepEqual(touched(said.changes), [
    "recreate migrate: configuration changed",
    "recreate server: configuration changed",
  ]);
  assert.equal(said.database.action, "none", "the schema is already what the image migrates to");
  assert.deepEqual(events, []);
  assert.deepEqual(readdirSync(join(place.root, ".stack"), { recursive: true }).sort(), before);
});
