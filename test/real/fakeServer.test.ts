import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, afterEach, before, beforeEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "yaml";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { readServerRole } from "../../scripts/stack/serverRole.ts";
import { request } from "../../scripts/checks/request.ts";
import { buildFakeServers, type FakeServerVersion } from "../fakes/server/buildFakeServers.ts";
import { docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// The fake server server keeps what it promises: whatever the exhaustive tests conclude from its
// versions is only as true as this.
const root = join(import.meta.dirname, "..", "..");
const network = "letta-test-fake-server";
const database = `${network}-database`;
const server = `${network}-server`;
const port = String(portsOf("fakeServer"));
const uri = `postgresql://letta:fakeserver12345@${database}:5432/letta`;
const image = (version: FakeServerVersion) => `letta-stack-fake-server:${version}`;
const read = (file: string) => parse(readFileSync(join(root, file), "utf8")) as ValueMap;
const source = read("test/fakes/server/server.yaml");
const role = readServerRole(source);

const psql = (statement: string) =>
  docker("exec", database, "psql", "-U", "letta", "-d", "letta", "-qAtc", statement);
const revision = () => psql(role.revisionQuery);

/** Alembic's command in a version's image, as the migrate job runs it. */
function alembic(version: FakeServerVersion, ...args: string[]) {
  const place = ["--rm", "--network", network, "-e", `LETTA_PG_URI=${uri}`];
  const entry = ["--entrypoint", "alembic", image(version)];
  const ran = spawnSync("docker", ["run", ...place, ...entry, ...args], { encoding: "utf8" });
  return { code: ran.status, said: ran.stdout + ran.stderr };
}

function migrated(version: FakeServerVersion) {
  const { code, said } = alembic(version, "upgrade", "head");
  assert.equal(code, 0, said);
}

/** Starts a version in the place of what runs. @returns what its health said first */
async function boot(version: FakeServerVersion, environment: Record<string, string> = {}) {
  stop();
  const settings = Object.entries({ LETTA_PG_URI: uri, ...environment }).flatMap(
    ([name, value]) => ["-e", `${name}=${value}`],
  );
  const place = ["--init", "--name", server, "--network", network, "-p", `127.0.0.1:${port}:8283`];
  docker("run", "-d", ...place, ...settings, image(version), "letta", "server");
  for (let tries = 0; tries < 500; tries += 1) {
    try {
      const reply = await request(`http://127.0.0.1:${port}/v1/health/`);
      return { status: reply.status, version: (JSON.parse(reply.body) as Answer)["version"] };
    } catch {
      await sleep(10);
    }
  }
  throw new Error(docker("logs", server));
}

/** Ends what runs. @returns its exit code, "" where nothing ran */
function stop(): string {
  const found = docker("ps", "-aq", "--filter", `name=^${server}$`);
  if (found === "") return "";
  docker("stop", server);
  const code = docker("inspect", "-f", "{{.State.ExitCode}}", server);
  docker("rm", server);
  return code;
}

type Answer = Record<string, string>;

async function ask(asked: string, send?: object, bearer?: string) {
  const [method = "", path = ""] = asked.split(" ");
  const reply = await request(`http://127.0.0.1:${port}${path}`, {
    method: method as "GET",
    headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
    ...(send === undefined ? {} : { body: JSON.stringify(send) }),
  });
  return { status: reply.status, answer: JSON.parse(reply.body) as Answer, body: reply.body };
}

/** The names of all agents, by a request that must succeed. */
async function agents(): Promise<string[]> {
  const { status, body } = await ask("GET /v1/agents/?limit=50");
  assert.equal(status, 200, body);
  return (JSON.parse(body) as Answer[]).map((one) => one["name"]!).sort();
}

before(async () => {
  await buildFakeServers();
  const postgres = recipes("dev", () => undefined).find((one) => one.role === "postgres")!;
  docker("network", "create", network);
  const names = ["-e", "POSTGRES_USER=letta", "-e", "POSTGRES_DB=letta"];
  const settings = [...names, "-e", "POSTGRES_PASSWORD=fakeserver12345"];
  const place = ["--name", database, "--network", network];
  docker("run", "-d", ...place, ...settings, contentTag(root, postgres));
  const query = ["psql", "-h", database, "-U", "letta", "-d", "letta", "-c", "SELECT 1"];
  const login = ["exec", "-e", "PGPASSWORD=fakeserver12345", database, ...query];
  while (spawnSync("docker", login).status !== 0) await sleep(50);
});
beforeEach(() => psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
afterEach(() => stop());
after(() => {
  docker("rm", "-f", "-v", database);
  docker("network", "rm", network);
});

test("what is built is not built again, and to see that takes less than a second", async () => {
  const format = "{{.Tag}} {{.ID}}";
  const ids = () =>
    docker("images", "letta-stack-fake-server", "--format", format).split("\n").sort();
  const [before, started] = [ids(), performance.now()];
  await buildFakeServers();
  assert.ok(performance.now() - started < 1000);
  assert.deepEqual(ids(), before);
});

test("its services are compose/server.yaml's, but for the pace of its health check and what it prints through", () => {
  const alike = ({ services, networks, volumes }: ValueMap) => {
    const copy = structuredClone(services) as Record<string, ValueMap>;
    const { test: look } = copy["server"]!["healthcheck"] as ValueMap;
    const started = (name: string) => {
      const { entrypoint, ...service } = copy[name]!;
      return { ...service, program: (entrypoint as string[]).slice(name === "server" ? -2 : -1) };
    };
    const server = { ...started("server"), healthcheck: look };
    return { services: { ...copy, migrate: started("migrate"), server }, networks, volumes };
  };
  assert.deepEqual(alike(source), alike(read("compose/server.yaml")));
});

const heads: [FakeServerVersion, string[]][] = [
  ["1.0.0", ["r1"]],
  ["1.1.0", ["r1"]],
  ["2.0.0", ["r1", "r2"]],
  ["3.0.0", ["r1", "r2", "r3"]],
  ["4.0.0", ["r1", "r2", "r3", "r4"]],
  ["5.0.0", ["r1", "r2", "r3", "r4", "r5"]],
  ["6.0.0", ["r1", "r2", "r6"]],
  ["7.0.0", ["r1", "r2", "r7"]],
];

test("the role's history finds in each image its own line of revisions and no other", () => {
  const [entry = "", ...args] = role.history;
  for (const [version, line] of heads) {
    const place = ["--rm", "--network", "none", "--entrypoint", entry];
    const said = docker("run", ...place, image(version), ...args);
    const rows = said.split("\n").map((one) => one.split("\t"));
    const expected = line.map((one, nth) => [one, line[nth - 1] ?? ""]);
    assert.deepEqual(
      rows.map(([revision, down]) => [revision, down]),
      expected,
    );
    assert.ok(
      rows.every(([, , title = ""]) => title !== ""),
      said,
    );
  }
  assert.equal(alembic("6.0.0", "heads").said, "r6 (head)\n");
});

test("it starts in a fraction of a second, says its version and ends cleanly", async () => {
  migrated("1.0.0");
  assert.deepEqual(await boot("1.0.0"), { status: 200, version: "1.0.0" });
  const started = Date.parse(docker("inspect", "-f", "{{.State.StartedAt}}", server));
  const [line = ""] = docker("logs", server).split("\n");
  const { time, message } = JSON.parse(line) as { time: number; message: string };
  assert.equal(message, "version 1.0.0 listens on 8283");
  assert.ok(time * 1000 - started < 1000, `${time * 1000 - started} ms`);
  const stopped = performance.now();
  assert.equal(stop(), "0");
  assert.ok(performance.now() - stopped < 2000);
});

test("what it is given it writes, lists, reads and deletes", async () => {
  migrated("2.0.0");
  await boot("2.0.0");
  for (const [kind, given] of [
    ["agents", { name: "a", mood: "gay" }],
    ["blocks", { label: "b", value: "c" }],
    ["notes", { text: "d" }],
  ] as const) {
    const made = await ask(`POST /v1/${kind}/`, given);
    const { id, created_at: _when, ...rest } = made.answer;
    assert.deepEqual([made.status, rest], [200, given]);
    assert.deepEqual((await ask(`GET /v1/${kind}/${id}`)).answer, made.answer);
    assert.equal((await ask(`GET /v1/${kind}/?limit=1`)).body, `[${made.body}]`);
    assert.equal((await ask(`DELETE /v1/${kind}/${id}`)).status, 200);
    assert.equal((await ask(`GET /v1/${kind}/${id}`)).status, 404);
    assert.equal((await ask(`POST /v1/${kind}/`, {})).status, 422);
  }
});

test("secure, it answers no one without its password, but for its health", async () => {
  migrated("1.0.0");
  const secure = { LETTA_SERVER_SECURE: "true", LETTA_SERVER_PASSWORD: "open12345" };
  assert.equal((await boot("1.0.0", secure)).status, 200);
  assert.equal((await ask("GET /v1/agents/")).status, 401);
  assert.equal((await ask("GET /v1/agents/", undefined, "wrong")).status, 401);
  assert.equal((await ask("GET /v1/agents/", undefined, "open12345")).status, 200);
});

test("without LETTA_PG_URI it refuses to start", () => {
  const run = ["run", "--rm", "--network", "none", image("1.0.0"), "letta", "server"];
  const { status, stderr } = spawnSync("docker", run, { encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /LETTA_PG_URI/);
});

test("1.0 works on 2.0's database as it is, and its migration does not know it", async () => {
  migrated("2.0.0");
  await boot("2.0.0");
  await ask("POST /v1/agents/", { name: "new" });
  await boot("1.0.0");
  assert.equal((await ask("POST /v1/agents/", { name: "old" })).status, 200);
  assert.deepEqual(await agents(), ["new", "old"]);
  const { code, said } = alembic("1.0.0", "upgrade", "head");
  assert.equal(code, 255);
  assert.match(said, /^FAILED: Can't locate revision identified by 'r2'$/m);
  assert.equal(revision(), "r2");
});

test("3.0's boot makes older ones refuse agents until the repair, and does it again", async () => {
  migrated("3.0.0");
  await boot("3.0.0");
  await ask("POST /v1/agents/", { name: "new" });
  for (const older of ["1.1.0", "2.0.0"] as const) {
    await boot(older);
    const refused = await ask("POST /v1/agents/", { name: "refused" });
    assert.equal(refused.status, 500);
    assert.match(refused.answer["detail"]!, /Multiple providers with name letta/);
  }
  for (const statement of role.repairs.flatMap((one) => one.sql)) psql(statement);
  assert.equal((await ask("POST /v1/agents/", { name: "old" })).status, 200);
  assert.deepEqual(await agents(), ["new", "old"]);
  await boot("3.0.0");
  assert.equal(psql("SELECT count(*) FROM providers WHERE base"), "1");
  assert.deepEqual(await agents(), ["new", "old"]);
});

test("older ones fail on 4.0's database, and its downgrade brings them back", async () => {
  migrated("3.0.0");
  await boot("3.0.0");
  await ask("POST /v1/agents/", { name: "retained" });
  migrated("4.0.0");
  assert.equal((await ask("GET /v1/agents/")).status, 500);
  await boot("4.0.0");
  assert.deepEqual(await agents(), ["retained"]);
  stop();
  assert.equal(alembic("4.0.0", "downgrade", "r3").code, 0);
  assert.equal(revision(), "r3");
  await boot("3.0.0");
  assert.deepEqual(await agents(), ["retained"]);
});

test("5.0's migration fails half-way: its first part stays, its revision is not reached", () => {
  migrated("4.0.0");
  const { code, said } = alembic("5.0.0", "upgrade", "head");
  assert.equal(code, 1);
  assert.match(said, /Running upgrade r4 -> r5[\s\S]*UndefinedColumn/);
  assert.equal(revision(), "r4");
  assert.equal(psql("SELECT to_regclass('drafts')"), "drafts");
  assert.equal(alembic("5.0.0", "upgrade", "head").code, 1);
});

test("6.0 migrates and is never healthy", async () => {
  migrated("6.0.0");
  assert.equal(revision(), "r6");
  assert.deepEqual(await boot("6.0.0"), { status: 500, version: undefined });
});

test("7.0 migrates, is healthy, and ends with exit code 1 after three seconds", async () => {
  migrated("7.0.0");
  assert.deepEqual(await boot("7.0.0"), { status: 200, version: "7.0.0" });
  assert.equal(docker("wait", server), "1");
  const times = docker("inspect", "-f", "{{.State.StartedAt}} {{.State.FinishedAt}}", server);
  const [from = 0, to = 0] = times.split(" ").map((one) => Date.parse(one));
  assert.ok(to - from > 2500 && to - from < 5000, times);
});
