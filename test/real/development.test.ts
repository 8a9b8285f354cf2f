import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { containerIds, docker, workspace } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// The development server on the real source of Letta, taken from the image itself.
const place = workspace("development", portsOf("development"));
const source = join(place.root, "..", "letta-source");
const health = `http://127.0.0.1:${place.environment["PORT"]}/v1/health/`;

before(async () => {
  const built = await place.run("images", ["build", "letta", "--yes", "--json"]);
  const [image] = (JSON.parse(built.stdout) as { images: { reference: string }[] }).images;
  const container = docker("create", image!.reference);
  docker("cp", `${container}:/app`, source);
  docker("rm", container);
});
after(() => place.remove());

test("an edit of the mounted source is served without a rebuild, by the same container", async () => {
  const up = await place.run("up", ["development", "--yes", "--json"], {
    LETTA_SOURCE_DIR: source,
  });
  assert.equal(up.code, 0, up.stdout);
  const ids = containerIds(place.project);
  const file = join(source, "letta/server/rest_api/routers/v1/health.py");
  writeFileSync(file, readFileSync(file, "utf8").replaceAll('status="ok"', 'status="edited"'));
  const deadline = Date.now() + 60_000;
  let served = "";
  while (!served.includes("edited") && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    served = await fetch(health).then(
      (reply) => reply.text(),
      () => "",
    );
  }
  assert.match(served, /"status":"edited"/);
  assert.deepEqual(containerIds(place.project), ids);
});
