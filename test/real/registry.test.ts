// prod from a registry: images by digest, and a rollback when there is no registry any more.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { registry, type Registry } from "../fakes/registry.ts";
import { Story } from "./story.ts";
import { docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

/** Of 3.0.0 it has what is for another machine. */
const other = { image: "letta-stack-fake-server:3.0.0", architecture: "s390x" } as const;
const served = {
  "server:1.0.0": "letta-stack-fake-server:1.0.0",
  "server:2.0.0": "letta-stack-fake-server:2.0.0",
  "server:3.0.0": { ...other, isIndex: false },
  "server:3.0.0-index": { ...other, isIndex: true },
};
let from: Registry;
let story: Story;
let place: Story["place"];
const fromRegistry = () => ({ LETTA_IMAGE: from.reference("server") });

before(async () => {
  story = await Story.begin("registry", portsOf("registry"));
  ({ place } = story);
  from = await registry(served);
});
after(async () => {
  from.close();
  await story.remove();
  for (const name of Object.keys(served)) docker("rmi", "-f", from.reference(name));
});

test("what is deployed from a registry is recorded by the digest it has there", async () => {
  for (const tag of ["1.0.0", "2.0.0"]) {
    const reported = await place.deploy(tag, [], fromRegistry());
    assert.equal(reported.code, 0, reported.stdout);
    const { repoDigest, imageId } = place.newestGood()!.services["server"]!;
    const known = docker("image", "inspect", "-f", "{{json .RepoDigests}}", imageId);
    assert.ok(repoDigest?.includes("@sha256:") && known.includes(repoDigest), repoDigest ?? "none");
  }
  assert.ok(from.asked() >= 2, "both manifests were asked for");
});

test("11: an image for another machine is refused with both platforms, and nothing is touched", async () => {
  const platform = docker("version", "-f", "{{.Server.Os}}/{{.Server.Arch}}");
  const refused = await story.untouched(() => place.deploy("3.0.0", [], fromRegistry()));
  const said = story.ends(refused, 3, "IMAGE_UNAVAILABLE");
  const reference = from.reference("server:3.0.0");
  const differs = `${reference}: expected an image for ${platform}, got one for linux/s390x`;
  assert.equal(said["message"], differs);
  assert.match(said["next"]!, /LETTA_IMAGE/);
  assert.equal(docker("images", "-q", reference), "", "it would be there when the right one is");
  await story.assertInvariants("2.0.0");
});

test("11: an image that a registry has for other machines alone is refused with these", async () => {
  const platform = docker("version", "-f", "{{.Server.Os}}/{{.Server.Arch}}");
  const more = { ...fromRegistry(), IMAGE_SOURCE: "pull" };
  const refused = await story.untouched(() => place.deploy("3.0.0-index", [], more));
  const said = story.ends(refused, 3, "IMAGE_UNAVAILABLE");
  const differs = new RegExp(`no matching manifest for ${platform} .*there for linux/s390x$`, "m");
  assert.match(said.details.join("\n"), differs);
  await story.assertInvariants("2.0.0");
});

test("with the registry gone and its names taken away a rollback works all the same", async () => {
  await place.write("before");
  from.close();
  for (const tag of ["1.0.0", "2.0.0"]) docker("rmi", from.reference(`server:${tag}`));
  const { said } = await place.tell("releases", ["prod"]);
  const listed = said["releases"] as { tag: string; restorable: boolean; reason: string | null }[];
  assert.deepEqual(
    listed.map(({ tag, restorable }) => `${tag} ${restorable}`),
    ["2.0.0 true", "1.0.0 true"],
  );
  const reported = await place.rollback([], fromRegistry());
  assert.equal(reported.code, 0, reported.stdout);
  assert.equal(await place.version(), "1.0.0");
  assert.deepEqual(await place.agents(), ["before"]);
  const forward = await place.deploy("2.0.0", [], fromRegistry());
  assert.equal(forward.code, 3, "what no one has cannot be deployed");
  assert.equal(await place.version(), "1.0.0");
});
