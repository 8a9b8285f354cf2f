// An engine that runs out of what it has: its disk, and the addresses of its networks. It is one of
// its own, and commands here use that one.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test, { after, before } from "node:test";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import { registry } from "../fakes/registry.ts";
import { smallEngine, type SmallEngine } from "../fakes/smallEngine.ts";
import { buildFakeServers } from "../fakes/server/buildFakeServers.ts";
import { lookupIn } from "../stack/composed.ts";
import { root } from "../stack/exampleStack.ts";
import { portsOf } from "./portsOf.ts";
import { Story } from "./story.ts";
import { docker } from "./workspace.ts";

let engine: SmallEngine;
let story: Story;

before(async () => {
  await buildFakeServers();
  const roles = recipes("prod", lookupIn("prod", {}));
  const parts = ["probe", "postgres", "collector", "proxy"].map((name) =>
    contentTag(
      root,
      roles.find((one) => one.role === name)!,
    ),
  );
  engine = await smallEngine(["letta-stack-fake-server", ...parts], 3);
  process.env["DOCKER_HOST"] = engine.host;
  story = await Story.begin("small", portsOf("smallEngine"));
});
after(async () => {
  await story?.remove();
  await engine?.end();
});

/**
 * Takes the space that is left, at a bad moment for the database: what it keeps to begin a session
 * with has to be written anew (as when its catalogue was changed), so until there is space again
 * no new session is accepted. What it then serves is asked of it afterwards.
 */
const filling = () => {
  const files = 'rm -f "$PGDATA"/global/pg_internal.init "$PGDATA"/base/*/pg_internal.init';
  const forget = `docker -H ${engine.host} exec ${story.container("postgres")} sh -c '${files}'`;
  return `${forget}\n${engine.fill}`;
};
const fill = () => void spawnSync("sh", ["-c", filling()]);

/** Does something that may fill the disk; there is space again afterwards, however it ends. */
async function filled<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } finally {
    engine.free();
  }
}

test("13: a network that the engine has no addresses for is named, and what was there stays", async () => {
  const network = (...args: string[]) => spawnSync("docker", ["network", ...args]).status === 0;
  const taken: string[] = [];
  while (network("create", `taken-${taken.length}`)) taken.push(`taken-${taken.length}`);
  network("rm", taken.pop()!);
  const reported = await story.place.deploy("1.0.0");
  for (const one of taken) assert.ok(network("rm", one), `${one} is not there any more`);
  const said = story.ends(reported, 5, "STEP_FAILED");
  assert.match(
    said.details.join("\n"),
    /letta-test-small_(?:edge|backend|telemetry): .*address pool/,
  );
  assert.match(said["next"]!, /^docker network ls/);
  story.ends(await story.place.deploy("1.0.0"), 0);
  await story.write();
});

test("12: a deploy on a disk of the engine's that is full is refused before it is asked for anything", async () => {
  const refused = await story.untouched(() =>
    filled(() => {
      fill();
      return story.place.deploy("1.1.0");
    }),
  );
  // Its lock is a container, which such an engine does not make.
  assert.match(story.ends(refused, 3, "DISK_TOO_SMALL")["message"]!, /the engine's disk is full/);
  await story.serves("1.0.0");
});

test("12: one that fills up while an image is pulled is reported as that, and nothing is built instead", async () => {
  const image = "letta-stack-fake-server:7.0.0";
  const from = await registry({ "server:7.0.0": image }, fill);
  docker("rmi", image); // what is here already would not be asked for
  const more = { LETTA_IMAGE: from.reference("server") };
  const refused = await story.untouched(() => filled(() => story.place.deploy("7.0.0", [], more)));
  from.close();
  const said = story.ends(refused, 3, "DISK_TOO_SMALL");
  assert.match(said["message"]!, /server:7.0.0: .*no space left on device/);
  await story.serves("1.0.0");
});

test("12: one that fills up before a container is made leaves the previous server serving", async () => {
  const { place } = story;
  const deploy = () => filled(() => place.deploy("1.1.0"));
  const failed = await story.withHook("pre-deploy", [filling()], deploy);
  await story.serves("1.0.0");
  // There may be no space for the verification of the rollback either: then a person is called.
  assert.ok(failed.code === 4 || failed.code === 5, failed.stdout);
  const said = story.ends(failed, failed.code);
  assert.match(said.details.join("\n"), /mkdir .*no space left on device/);
  story.ends(await place.deploy("1.0.0"), 0);
  await story.assertInvariants("1.0.0");
});

test("12: one that fills up while a backup is verified ends the deploy before anything is touched", async () => {
  const { place } = story;
  const from = place.journal().length;
  const refused = await story.untouched(() =>
    filled(async () => {
      const running = place.start("deploy", ["prod", "2.0.0", "--yes", "--json"]);
      await story.begins(/^verify backup/, from, running);
      fill();
      return story.reported(running);
    }),
  );
  const said = story.ends(refused, 3);
  assert.match(said.details.join("\n"), /no space left on device/i);
  assert.equal(said["next"], "docker system df");
  // Whatever could not be cleared away then is, as soon as there is space.
  story.ends(await place.deploy("1.1.0"), 0);
  await story.assertInvariants("1.1.0");
});
