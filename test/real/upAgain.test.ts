import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { buildFakeServers } from "../fakes/server/buildFakeServers.ts";
import { bringUp, touched } from "./bringUp.ts";
import { portsOf } from "./portsOf.ts";
import { containerIds, docker, workspace } from "./workspace.ts";

// What up does to a stack that is there, half there, or in someone else's hands: on the fake server
// server, as the boots of the real one would be most of the time.
const place = workspace("up-again", portsOf("upAgain"));

before(async () => {
  await buildFakeServers();
  const own = "LETTA_IMAGE=letta-stack-fake-server\nLETTA_VERSION=1.0.0\n";
  appendFileSync(join(place.root, "env/dev.env"), own);
  const server = join(place.root, "test/fakes/server/server.yaml");
  copyFileSync(server, join(place.root, "compose/server.yaml"));
  const { ran, said } = await up();
  assert.equal(ran.code, 0, JSON.stringify(said));
});
after(() => place.remove());

const up = (more: Readonly<Record<string, string>> = {}, ...args: string[]) =>
  bringUp(place, more, args);

test("a changed setting recreates exactly the parts that have it", async () => {
  const ids = containerIds(place.project);
  const { ran, said } = await up({ LETTA_DEBUG: "false" });
  assert.equal(ran.code, 0, JSON.stringify(said));
  assert.deepEqual(touched(said.changes), [
    "recreate migrate: configuration changed",
    "recreate server: configuration changed",
  ]);
  const now = containerIds(place.project);
  assert.notEqual(now["server"], ids["server"]);
  assert.equal(now["postgres"], ids["postgres"]);
  assert.equal(now["collector"], ids["collector"]);
});

test("changed mounted configuration recreates exactly the service that mounts it", async () => {
  const { ran, said } = await up({ LETTA_DEBUG: "false", OTEL_BATCH_SIZE: "512" });
  assert.equal(ran.code, 0, JSON.stringify(said));
  assert.deepEqual(touched(said.changes), ["recreate collector: configuration changed"]);
});

test("a database is not recreated unless it is named", async () => {
  const more = { LETTA_DEBUG: "false", OTEL_BATCH_SIZE: "512", POSTGRES_MEMORY: "900m" };
  const id = containerIds(place.project)["postgres"];
  const refused = await up(more);
  assert.equal(refused.ran.code, 3);
  assert.equal(refused.said["code"], "STATEFUL_RECREATE");
  assert.equal(containerIds(place.project)["postgres"], id);
  const allowed = await up(more, "--recreate", "postgres");
  assert.equal(allowed.ran.code, 0, JSON.stringify(allowed.said));
  assert.notEqual(containerIds(place.project)["postgres"], id);
});

test("two at once: one goes on, the other learns who and does nothing", async () => {
  await place.run("down", ["dev"]);
  const both = await Promise.all([
    place.run("up", ["dev", "--yes", "--json"], { LETTA_DEBUG: "false" }),
    place.run("up", ["dev", "--yes", "--json"], { LETTA_DEBUG: "false" }),
  ]);
  assert.deepEqual(both.map((one) => one.code).sort(), [0, 6]);
  const refused = both.find((one) => one.code === 6)!;
  assert.match(
    (JSON.parse(refused.stdout) as { message: string }).message,
    /up:dev of .* holds the lock since/,
  );
});

test("Ctrl-C while the server boots takes away what was begun, and the next up goes on", async () => {
  await place.run("down", ["dev"]);
  const ran = await place.interrupt("up", ["dev", "--yes"], /✓ collector healthy/);
  assert.equal(ran.code, 5, ran.stderr);
  assert.match(ran.stderr, /interrupted: nothing runs, all volumes are retained/);
  assert.match(ran.stderr, /next: npm run up:dev/);
  assert.deepEqual(containerIds(place.project), {});
  const { ran: again } = await up();
  assert.equal(again.code, 0);
});

test("after kill -9 in the middle the next up finds out what is and finishes it", async () => {
  for (const when of [/✓ create/, /✓ migrations/, /✓ server healthy/]) {
    await place.run("down", ["dev"]);
    const killed = await place.interrupt("up", ["dev", "--yes"], when, "SIGKILL");
    assert.equal(killed.code, null);
    const { ran, said } = await up();
    assert.equal(ran.code, 0, JSON.stringify(said));
    const verified = await place.run("verify", ["dev", "--json"]);
    assert.equal(verified.code, 0, verified.stdout);
  }
});

test("another password is refused where the database runs, and what runs goes on", async () => {
  const ids = containerIds(place.project);
  const file = join(place.root, "env/dev.secrets.env");
  const text = readFileSync(file, "utf8");
  const other = text.replace(/^LETTA_PG_PASSWORD=.*$/m, "LETTA_PG_PASSWORD=another1password2");
  writeFileSync(file, other);
  const { ran, said } = await up();
  writeFileSync(file, text);
  assert.equal(ran.code, 3, JSON.stringify(said));
  assert.equal(said["code"], "DATABASE_REFUSED");
  assert.match(String(said["next"]), /previous password/);
  assert.ok(!ran.stdout.includes("another1password2"));
  assert.deepEqual(containerIds(place.project), ids);
});

test("a volume made with another password is reported at once, and the way on works", async () => {
  // A run that was interrupted is no reason to start the database of the release before it.
  await place.run("down", ["dev"]);
  await place.interrupt("up", ["dev", "--yes"], /✓ preflight/, "SIGKILL");
  const down = await place.run("down", ["dev"]);
  assert.equal(down.code, 0, down.stderr);
  const file = join(place.root, "env/dev.secrets.env");
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(/^LETTA_PG_PASSWORD=.*$/m, "LETTA_PG_PASSWORD=another1password2"),
  );
  const { ran, said } = await up();
  assert.equal(ran.code, 5, JSON.stringify(said));
  assert.match(
    String(said["message"]),
    /made with another password than the present LETTA_PG_PASSWORD/,
  );
  assert.equal(said["next"], "npm run down:dev -- --volumes");
  assert.ok(!ran.stdout.includes("another1password2"));
  assert.ok((said["seconds"] as number) < 20, "not after the whole patience with a slow database");
  writeFileSync(file, text);
  const again = await up({}, "--recreate", "postgres");
  assert.equal(again.ran.code, 0, JSON.stringify(again.said));
});

test("volumes go only with the flag that names them", async () => {
  const refused = await place.run("down", ["dev", "--volumes"]);
  assert.equal(refused.code, 3, "without a terminal and without --yes");
  const down = await place.run("down", ["dev", "--volumes", "--yes", "--json"]);
  assert.equal(down.code, 0, down.stderr);
  assert.equal(
    docker("volume", "ls", "-q", "--filter", `label=com.docker.compose.project=${place.project}`),
    "",
  );
});
