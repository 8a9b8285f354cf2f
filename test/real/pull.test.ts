import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { registry, type Registry } from "../fakes/registry.ts";
import { containerIds, docker, workspace } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// Images from a registry: a real pull by the real engine from one on this machine.
const place = workspace("pull", portsOf("pull"));
let from: Registry;

before(async () => {
  const built = await place.run("images", ["build", "probe", "--yes", "--json"]);
  const [probe] = (JSON.parse(built.stdout) as { images: { reference: string }[] }).images;
  // A layer that the engine does not have, or it would ask for nothing but the manifest.
  const container = docker("create", probe!.reference);
  const file = join(place.root, "random");
  writeFileSync(file, randomBytes(6_000_000));
  docker("cp", file, `${container}:/random`);
  docker("commit", container, "letta-test-pulled");
  docker("rm", container);
  from = await registry({ "probe:1": "letta-test-pulled" });
  docker("rmi", "letta-test-pulled");
  // Nor may it have been built here, or there would be nothing to pull it for.
  appendFileSync(join(place.root, "docker/probe/Dockerfile"), "# never built\n");
});
after(async () => {
  await place.remove();
  docker("rmi", "-f", from.reference("probe:1"));
  from.close();
});

test("what a registry has is pulled, what none has is built, and the stack runs on both", async () => {
  const ran = await place.run("up", ["dev", "--yes", "--json"], {
    BUSYBOX_IMAGE: from.reference("probe:1"),
  });
  assert.equal(ran.code, 0, ran.stdout);
  assert.ok(from.asked() >= 3, "manifest, configuration and layer come from the registry");
  const image = docker(
    "inspect",
    "-f",
    "{{.Config.Image}}",
    containerIds(place.project)["permissions"]!,
  );
  assert.equal(image, from.reference("probe:1"));
});

test("what is here is not pulled again", async () => {
  const before = from.asked();
  const ran = await place.run("up", ["dev", "--yes", "--json"], {
    BUSYBOX_IMAGE: from.reference("probe:1"),
  });
  assert.equal(ran.code, 0, ran.stdout);
  assert.equal(from.asked(), before);
});

test("a registry with a login is pulled from with docker's own, and nothing is built instead", async (t) => {
  const login = "deploy:a-registry-password";
  const closed = await registry({ "probe:3": from.reference("probe:1") }, undefined, login);
  t.after(() => closed.close());
  const reference = closed.reference("probe:3");
  const ids = containerIds(place.project);
  const up = (more: Record<string, string>) =>
    place.run("up", ["dev", "--yes", "--json"], { BUSYBOX_IMAGE: reference, ...more });

  const refused = await up({});
  const said = JSON.parse(refused.stdout) as { code: string; next: string };
  assert.equal(refused.code, 3, refused.stdout);
  assert.equal(said.code, "IMAGE_UNAVAILABLE");
  assert.match(said.next, new RegExp(`docker login ${reference.split("/")[0]}`));
  assert.deepEqual(containerIds(place.project), ids);

  const auths = { [reference.split("/")[0]!]: { auth: Buffer.from(login).toString("base64") } };
  const folder = join(place.root, "docker-config");
  mkdirSync(folder);
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths }));
  const pulled = await up({ DOCKER_CONFIG: folder });
  t.after(() => docker("rmi", "-f", reference));
  assert.equal(pulled.code, 0, pulled.stdout);
  assert.doesNotMatch(pulled.stdout + pulled.stderr, /a-registry-password/);
});

test("IMAGE_SOURCE=pull is refused where the registry does not have it, and what runs goes on", async () => {
  const ids = containerIds(place.project);
  const more = { BUSYBOX_IMAGE: from.reference("probe:2"), IMAGE_SOURCE: "pull" };
  const ran = await place.run("up", ["dev", "--yes", "--json"], more);
  const said = JSON.parse(ran.stdout) as { code: string; next: string };
  assert.equal(ran.code, 3);
  assert.equal(said.code, "IMAGE_UNAVAILABLE");
  assert.match(said.next, /BUSYBOX_IMAGE/);
  assert.deepEqual(containerIds(place.project), ids);
});
