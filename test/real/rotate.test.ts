// Secrets rotated in a stack that runs, sealed: the live database learns the new password, the
// old one is refused, and a run that is killed at any moment leaves one that opens it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openSecretsFile } from "../../scripts/settings/secretsFile.ts";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import { pendingSecrets, withPending } from "../../scripts/settings/gatherLayers.ts";
import { request } from "../../scripts/checks/request.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker, portSettings } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const name = "LETTA_PG_PASSWORD";
const firstPort = portsOf("rotate");
let place: FakeServerWorkspace;
/** What the commands said, all of it. */
const said: string[] = [];
const passwords = new Set<string>();

before(async () => {
  place = await fakeServerWorkspace("rotate", firstPort);
  const key = join(dirname(place.root), "key");
  const settings = join(place.root, "env/prod.env");
  writeFileSync(settings, `${readFileSync(settings, "utf8")}\nSECRETS_KEY_FILE='${key}'\n`);
  const first = await place.deploy("1.0.0");
  assert.equal(first.code, 0, first.stdout);
  await place.write("before");
  const sealed = await place.run("secrets", ["seal", "prod"]);
  assert.equal(sealed.code, 0, sealed.stderr);
});
after(async () => {
  docker("compose", "-p", `${place.project}-dev`, "down", "--volumes");
  await place.remove();
});

const secretsFile = () =>
  openSecretsFile({ environment: "prod", root: place.root, processEnvironment: {} });

async function valueOf(secret: string): Promise<string> {
  const { text = "" } = await secretsFile();
  const found = parseEnvFile(text, "").assignments.find((one) => one.name === secret)!.value;
  passwords.add(found);
  return found;
}

/** Whether a password opens the database, over the address where it is asked for. */
function opens(password: string): boolean {
  const { postgres } = containerIds(place.project);
  const log = 'psql -X -q -h "$(hostname)" -U letta -d letta -c "SELECT 1"';
  try {
    docker("exec", "-e", `PGPASSWORD=${password}`, postgres!, "sh", "-c", log);
    return true;
  } catch {
    return false;
  }
}

async function rotate(secret: string): Promise<Readonly<Record<string, unknown>>> {
  const reported = await place.tell("secrets", ["rotate", "prod", secret, "--yes"]);
  said.push(reported.stdout, reported.stderr);
  assert.equal(reported.code, 0, reported.stdout);
  return reported.said;
}

/** The stack is whole, no one lost a thing, and nothing is left to do. */
async function isWhole(): Promise<void> {
  assert.ok((await place.agents()).includes("before"));
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(verified.code, 0, verified.stdout);
  const again = await place.deploy("1.0.0");
  assert.equal(again.code, 0, again.stdout);
  const changes = again.said["changes"] as { action: string }[];
  assert.ok(
    changes.every((one) => one.action === "none"),
    JSON.stringify(changes),
  );
}

test("without --yes and a terminal nothing is rotated", async () => {
  const password = await valueOf(name);
  const reported = await place.tell("secrets", ["rotate", "prod", name]);
  assert.equal(reported.code, 3);
  assert.equal(reported.said["code"], "CONFIRMATION_NEEDED");
  assert.equal(await valueOf(name), password);
  assert.ok(opens(password));
});

test("the new password opens the database, the old one does not, and the server runs with it", async () => {
  const old = await valueOf(name);
  const volume = docker("volume", "inspect", `${place.project}_database`);
  const previous = containerIds(place.project)["postgres"];
  const result = await rotate(name);
  const now = await valueOf(name);
  assert.notEqual(now, old);
  assert.ok(opens(now), "the new one does not open it");
  assert.ok(!opens(old), "the old one still opens it");
  assert.equal(result["release"], place.newestGood()!.id);
  const { server, postgres } = containerIds(place.project);
  assert.ok(docker("inspect", server!).includes(now), "the server does not run with it");
  const inFile = docker("exec", postgres!, "cat", "/run/secrets/postgres_password");
  assert.equal(inFile, now, "the database's health check would fail");
  assert.equal(docker("volume", "inspect", `${place.project}_database`), volume);
  assert.equal(postgres, previous, "the database was recreated");
  await isWhole();
});

test("a rollback keeps the rotated password", async () => {
  const first = place.releases().find((one) => one.outcome === "good")!;
  const oldest = place.releases().findLast((one) => one.outcome === "good") ?? first;
  const reported = await place.rollback([oldest.id]);
  assert.equal(reported.code, 0, reported.stdout);
  assert.ok(
    docker("inspect", containerIds(place.project)["server"]!).includes(await valueOf(name)),
  );
  await isWhole();
});

test("a rotation that was interrupted before or after the database learnt it is finished by the same command", async () => {
  for (const learnt of [false, true]) {
    const old = await valueOf(name);
    const next = `n3xt${learnt}n3xtN3XTn3xt`;
    passwords.add(next);
    const file = await secretsFile();
    await file.write(withPending(file.text!, name, next));
    if (learnt) place.psql(`ALTER ROLE letta PASSWORD '${next}'`);
    const held = await place.deploy("1.0.0");
    assert.equal(held.code, 2);
    assert.equal(held.said["next"], `npm run secrets -- rotate prod ${name}`);
    await rotate(name);
    assert.equal(await valueOf(name), next, "another one was made up");
    assert.ok(opens(next) && !opens(old));
    await isWhole();
  }
});

test("killed at any moment, one of the passwords that the file knows opens the database", async () => {
  for (const delay of [0, 120, 300, 500, 800]) {
    const from = place.journal().length;
    const running = place.start("secrets", ["rotate", "prod", name, "--yes"]);
    const begins = () =>
      place
        .journal()
        .slice(from)
        .some((one) => one.step.startsWith("rotate database"));
    const early = running.ended.then((ran) => assert.fail(`ended: ${ran.stderr}`));
    early.catch(() => undefined);
    while (!begins()) await Promise.race([sleep(20), early]);
    await sleep(delay);
    running.child.kill("SIGKILL");
    await running.ended;
    const { text = "" } = await secretsFile();
    const known = [await valueOf(name), ...pendingSecrets(text).values()];
    assert.ok(known.some(opens), `after ${delay} ms no one can log in`);
  }
  await rotate(name);
  assert.ok(opens(await valueOf(name)));
  assert.deepEqual([...pendingSecrets((await secretsFile()).text!)], []);
  await isWhole();
});

test("another server password is taken up, and the old one is refused", async () => {
  await valueOf("LETTA_SERVER_PASSWORD");
  await rotate("LETTA_SERVER_PASSWORD");
  const now = await valueOf("LETTA_SERVER_PASSWORD");
  const url = `https://127.0.0.1:${firstPort}/v1/agents/`;
  const asked = await request(url, { headers: { authorization: `Bearer ${now}` } });
  assert.equal(asked.status, 200);
  assert.equal((await place.ask("GET /v1/agents/")).status, 401);
});

test("a database that does not run is not rotated, and its container is named", async () => {
  const old = await valueOf(name);
  const { postgres } = containerIds(place.project);
  docker("stop", postgres!);
  const reported = await place.tell("secrets", ["rotate", "prod", name, "--yes"]);
  assert.equal(reported.code, 3, reported.stdout);
  assert.equal(reported.said["code"], "NOTHING_RUNS");
  assert.match(String(reported.said["next"]), /^docker start \S+-postgres-1$/);
  docker("start", postgres!);
  assert.equal(await valueOf(name), old);
});

test("no password was ever said, nor written into the state or a log", () => {
  const { postgres, server } = containerIds(place.project);
  const logs = [postgres!, server!].map((id) => docker("logs", id));
  const journal = readFileSync(join(place.state, "journal.jsonl"), "utf8");
  for (const password of passwords) {
    assert.ok(password.length >= 12);
    for (const text of [...said, ...logs, journal]) assert.ok(!text.includes(password));
  }
});

test("in dev, sealed, the same is done by up, and a second up touches nothing", async () => {
  const own = {
    STACK_PROJECT: `${place.project}-dev`,
    SECRETS_KEY_FILE: join(dirname(place.root), "key"),
    ...portSettings(firstPort + 30),
  };
  const dev = async (entry: string, ...args: string[]) => {
    const reported = await place.tell(entry, args, own);
    assert.equal(reported.code, 0, reported.stdout + reported.stderr);
    return reported.said;
  };
  await dev("up", "dev", "--yes");
  await dev("secrets", "seal", "dev");
  const before = await dev("up", "dev", "--yes");
  const rotated = await dev("secrets", "rotate", "dev", name, "--yes");
  assert.notEqual(rotated["release"], before["release"]);
  const again = await dev("up", "dev", "--yes");
  assert.equal(again["release"], rotated["release"]);
  const changes = again["changes"] as { action: string }[];
  assert.ok(
    changes.every((one) => one.action === "none"),
    JSON.stringify(changes),
  );
  await dev("verify", "dev");
});
