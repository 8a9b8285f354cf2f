// prod from a registry: images by digest, and a rollback when there is no registry any more.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { registry, type Registry } from "../rigs/registry.ts";
import { standinWorkspace, type StandinWorkspace } from "./standinWorkspace.ts";
import { docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const served = {
  "server:1.0.0": "letta-stack-standin:1.0.0",
  "server:2.0.0": "letta-stack-standin:2.0.0",
};
let from: Registry;
let place: StandinWorkspace;
const fromRegistry = () => ({ LETTA_IMAGE: from.reference("server") });

before(async () => {
  place = await standinWorkspace("registry", portsOf("registry"));
  from = await registry(served);
});
after(async () => {
  from.close();
  await place.remove();
  for (const name of Object.keys(served)) docker("rmi", "-f", from.reference(name));
});

test("what is deployed from a registry is recorded by the digest it has there", async () => {
  for (const tag of ["1.0.0", "2.0.0"]) {
    const told = await place.deploy(tag, [], fromRegistry());
    assert.equal(told.code, 0, told.stdout);
    const { repoDigest, imageId } = place.newestGood()!.services["server"]!;
    const known = docker("image", "inspect", "-f", "{{json .RepoDigests}}", imageId);
    assert.ok(repoDigest?.includes("@sha256:") && known.includes(repoDigest), repoDigest ?? "none");
  }
  assert.ok(from.asked() >= 2, "both manifests were asked for");
});

test("with the registry gone and its names taken away a rollback works all the same", async () => {
  await place.write("before");
  from.close();
  for (const name of Object.keys(served)) docker("rmi", from.reference(name));
  const { said } = await place.tell("releases", ["prod"]);
  const listed = said["releases"] as { tag: string; restorable: boolean; reason: string | null }[];
  assert.deepEqual(
    listed.map(({ tag, restorable }) => `${tag} ${restorable}`),
    ["2.0.0 true", "1.0.0 true"],
  );
  const told = await place.rollback([], fromRegistry());
  assert.equal(told.code, 0, told.stdout);
  assert.equal(await place.version(), "1.0.0");
  assert.deepEqual(await place.agents(), ["before"]);
  const forward = await place.deploy("2.0.0", [], fromRegistry());
  assert.equal(forward.code, 3, "what nobody has cannot be deployed");
  assert.equal(await place.version(), "1.0.0");
});
