// What surrounds a release, on the fake server server: plan, backup, restore, hooks, configuration
// rollback, drift, pins, drill. Each test goes on where the one before left off.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker, scratchProjects } from "./workspace.ts";
import { eventsDuring } from "./eventsDuring.ts";
import { portsOf } from "./portsOf.ts";

let place: FakeServerWorkspace;

let deployed: Awaited<ReturnType<FakeServerWorkspace["deploy"]>>;

before(async () => {
  place = await fakeServerWorkspace("operations", portsOf("operations"));
  deployed = await place.deploy("1.0.0");
  await place.write("ada");
});
after(() => place.remove());

/** Every file below a directory, by its content. */
function digestOf(directory: string): string {
  const hash = createHash("sha256");
  for (const file of readdirSync(directory, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(directory, file);
    hash.update(`${file}\0`);
    if (statSync(path).isFile()) hash.update(readFileSync(path));
  }
  return hash.digest("hex");
}

function hook(name: string, text: string): void {
  mkdirSync(join(place.root, "hooks"), { recursive: true });
  writeFileSync(join(place.root, "hooks", name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(place.root, "hooks", name), 0o755);
}

test("two versions of one schema are deployed, and each is pinned under a name of our own", async () => {
  for (const reported of [deployed, await place.deploy("1.1.0")]) {
    assert.equal(reported.code, 0, JSON.stringify(reported.said));
  }
  const release = place.newestGood()!;
  for (const [name, service] of Object.entries(release.services)) {
    assert.match(service.image, /^sha256:[0-9a-f]{64}$/, name);
    const retained = `letta-stack/retained:${place.project}-${service.imageId.slice(7, 19)}`;
    assert.equal(docker("image", "inspect", "-f", "{{.Id}}", retained), service.imageId, name);
  }
});

test("a plan tells the migration, and writes nothing anywhere", async () => {
  await place.deploy("1.1.0"); // nothing to do; whatever is written once is there now
  const before = digestOf(place.state);
  const ids = containerIds(place.project);
  const { result: reported, events } = await eventsDuring(place.project, () =>
    place.tell("plan", ["prod", "2.0.0"]),
  );
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  const { action, heads, revision } = reported.said["database"] as Record<string, unknown>;
  assert.deepEqual([action, heads, revision], ["migrate", ["r2"], "r1"]);
  assert.equal(digestOf(place.state), before);
  assert.deepEqual(containerIds(place.project), ids);
  assert.deepEqual(events, []);
  const exit = await place.tell("plan", ["prod", "2.0.0", "--exit-code"]);
  assert.equal(exit.code, 10);
  assert.equal((await place.tell("plan", ["prod", "1.1.0", "--exit-code"])).code, 0);
});

test("hooks know what is done; one that fails before stops it with nothing touched", async () => {
  const seen = join(place.root, "hook-said");
  hook("pre-deploy", `echo "$STACK_HOOK $STACK_TAG $STACK_FROM" >> '${seen}'; exit 1`);
  const ids = containerIds(place.project);
  const refused = await place.deploy("1.0.0");
  assert.equal(refused.code, 3, JSON.stringify(refused.said));
  assert.equal(refused.said["code"], "HOOK_FAILED");
  assert.deepEqual(containerIds(place.project), ids);
  hook("pre-deploy", `echo "$STACK_HOOK $STACK_TAG" >> '${seen}'`);
  hook("post-deploy", `echo "$STACK_HOOK $STACK_RELEASE $LETTA_PG_PASSWORD" >> '${seen}'; exit 1`);
  const done = await place.deploy("1.0.0", ["--reason", "a hook is tried"]);
  assert.equal(done.code, 0, JSON.stringify(done.said));
  assert.deepEqual(readFileSync(seen, "utf8").split("\n"), [
    "pre-deploy 1.0.0 000002",
    "pre-deploy 1.0.0",
    `post-deploy ${String(done.said["release"])} `,
    "",
  ]);
  rmSync(join(place.root, "hooks"), { recursive: true });
  const { events } = (await place.tell("history", ["prod", "--limit", "1"])).said as {
    events: Record<string, unknown>[];
  };
  assert.equal(events[0]?.["reason"], "a hook is tried");
  assert.equal(events[0]?.["outcome"], "done");
});

test("a configuration goes back without the images", async () => {
  const changed = { OTEL_BATCH_SIZE: "7531" };
  const reported = await place.deploy("1.1.0", [], changed);
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  const back = await place.rollback(["000001", "--only", "config"], changed);
  assert.equal(back.code, 0, JSON.stringify(back.said));
  assert.deepEqual(back.said["server"], { version: "1.1.0" });
  const touched = (back.said["changes"] as { service: string; action: string }[]).filter(
    (one) => one.action !== "none",
  );
  assert.deepEqual(
    touched.map((one) => one.service),
    ["collector"],
  );
  assert.ok(
    !readFileSync(
      join(place.state, "releases", String(back.said["release"]), "collector.yaml"),
      "utf8",
    ).includes("7531"),
  );
});

test("a backup is verified; put back, it is live and the database of now is retained", async () => {
  await place.write("bea");
  const backup = await place.tell("backup", ["prod", "--reason", "before trouble"]);
  assert.equal(backup.code, 0, JSON.stringify(backup.said));
  const { id, verifiedRun } = backup.said["backup"] as { id: string; verifiedRun: string | null };
  assert.notEqual(verifiedRun, null);
  assert.equal(statSync(String(backup.said["path"])).mode & 0o077, 0);
  await place.write("cyd");
  const restored = await place.tell("restore", ["prod", id, "--yes"]);
  assert.equal(restored.code, 0, JSON.stringify(restored.said));
  assert.deepEqual(await place.agents(), ["ada", "bea"]);
  const retained = `letta_retained_${String(restored.said["release"])}`;
  assert.equal(place.psql("SELECT count(*) FROM agents", retained), "3");
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(verified.code, 0, JSON.stringify(verified.said));
});

test("a flipped byte in a backup is caught before anything is touched", async () => {
  const backup = await place.tell("backup", ["prod"]);
  assert.equal(backup.code, 0, JSON.stringify(backup.said));
  const { id } = backup.said["backup"] as { id: string };
  const path = String(backup.said["path"]);
  const agents = await place.agents();
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
  const ids = containerIds(place.project);
  const reported = await place.tell("restore", ["prod", id, "--yes"]);
  assert.equal(reported.code, 3, JSON.stringify(reported.said));
  assert.deepEqual(containerIds(place.project), ids);
  assert.deepEqual(await place.agents(), agents);
});

test("drift is reported part by part: a file, a container, a schema, a stranger", async () => {
  const collector = containerIds(place.project)["collector"]!;
  const changed = join(place.root, "changed.yaml");
  docker("cp", `${collector}:/etc/otelcol-contrib/config.yaml`, changed);
  writeFileSync(changed, `${readFileSync(changed, "utf8")}# by hand\n`);
  docker("cp", changed, `${collector}:/etc/otelcol-contrib/config.yaml`);
  docker("update", "--pids-limit", "99", containerIds(place.project)["proxy"]!);
  const image = docker("inspect", "-f", "{{.Image}}", containerIds(place.project)["permissions"]!);
  docker(
    "create",
    "--name",
    `${place.project}-stranger`,
    "--label",
    `com.docker.compose.project=${place.project}`,
    image,
  );
  place.psql("UPDATE alembic_version SET version_num = 'r0'");
  const reported = await place.tell("verify", ["prod"]);
  docker("rm", `${place.project}-stranger`);
  place.psql("UPDATE alembic_version SET version_num = 'r1'");
  assert.equal(reported.code, 10, JSON.stringify(reported.said));
  const drift = reported.said["drift"] as { service: string }[];
  assert.deepEqual(
    drift.map((one) => one.service).sort(),
    ["collector", "database", `${place.project}-stranger`, "proxy"].sort(),
  );
});

test("a release whose image has gone is not restorable, and releases says why", async () => {
  const manifest = join(place.state, "releases", "000001", "release.json");
  const text = readFileSync(manifest, "utf8");
  const { imageId } = (JSON.parse(text) as { services: { server: { imageId: string } } }).services
    .server;
  writeFileSync(manifest, text.replaceAll(imageId, `sha256:${"0".repeat(64)}`));
  const listed = (await place.tell("releases", ["prod"])).said["releases"] as {
    id: string;
    restorable: boolean;
    reason: string | null;
  }[];
  writeFileSync(manifest, text);
  const gone = listed.find((one) => one.id === "000001");
  assert.equal(gone?.restorable, false);
  assert.match(gone?.reason ?? "", /not on the engine: .*server/);
  assert.ok(listed.find((one) => one.id === place.newestGood()?.id)?.restorable);
});

test("a drill goes there and back alongside the real project, and leaves nothing", async () => {
  const before = await place.agents();
  const reported = await place.tell("drill", ["prod", "1.0.0", "--yes"]);
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  const acts = reported.said["acts"] as { act: string; databaseStrategy: string }[];
  assert.deepEqual(
    acts.map((one) => one.act),
    ["deploy 1.0.0", "deploy 1.1.0", "roll back to 1.0.0"],
  );
  assert.deepEqual(scratchProjects(place.project, "drill"), []);
  assert.equal(docker("volume", "ls", "-q", "--filter", `name=${place.project}-drill`), "");
  assert.deepEqual(await place.agents(), before);
});

test("nothing that was written anywhere has a secret in it", () => {
  const secrets = readFileSync(join(place.root, "env/prod.secrets.env"), "utf8")
    .split("\n")
    .filter((line) => /^[A-Z]/.test(line))
    .map((line) => line.slice(line.indexOf("=") + 1));
  assert.ok(secrets.length >= 3);
  for (const file of readdirSync(place.state, { recursive: true, encoding: "utf8" })) {
    const path = join(place.state, file);
    if (!statSync(path).isFile()) continue;
    assert.equal(statSync(path).mode & 0o077, 0, file);
    const text = readFileSync(path, "latin1");
    for (const secret of secrets) assert.ok(!text.includes(secret), file);
  }
});
