// The whole story on real Letta releases, as an operator would live it: each test goes on where
// the one before left off.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { assertNoSecrets } from "./invariants.ts";
import { longTest } from "./longTest.ts";
import { prodWorkspace, type ProdWorkspace, type Reported } from "./prodWorkspace.ts";
import { containerIds } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

let place: ProdWorkspace;

before(async () => {
  place = await prodWorkspace("letta", portsOf("letta"), { IMAGE_SOURCE: "local" });
});
after(() => place.remove());

/** The commands that went well, in order, for the history. */
const done: string[] = [];

async function deploy(version: string): Promise<Reported> {
  const reported = await place.deploy(version);
  if (reported.code === 0) done.push("deploy");
  return reported;
}

async function rollback(args: readonly string[]): Promise<Reported> {
  const reported = await place.rollback(args);
  if (reported.code === 0) done.push("rollback");
  return reported;
}

/** That it went well, which version serves, that these agents are all there and no secret is printed. */
async function serves(
  reported: Reported,
  version: string,
  agents: readonly string[],
): Promise<void> {
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  assert.deepEqual(reported.said["server"], { version });
  assert.equal(await place.version(), version);
  assert.deepEqual(await place.agents(), [...agents].sort());
  assertNoSecrets(place);
}

test("0.15.1 is deployed, verified through the proxy", async () => {
  await serves(await deploy("0.15.1"), "0.15.1", []);
  await place.write("first");
  await place.write("second");
});

test("0.16.8 is rehearsed on a copy and deployed, and no agent is lost", async () => {
  const reported = await deploy("0.16.8");
  await serves(reported, "0.16.8", ["first", "second"]);
  const rehearsal = reported.said["rehearsal"] as {
    rollbackCheck: { passed: boolean };
    difference: object;
  };
  assert.equal(rehearsal.rollbackCheck.passed, true);
  assert.match(JSON.stringify(rehearsal.difference), /conversations/);
  await place.write("third");
});

test("rollback asks nothing: 0.15.1 serves on the newer schema and writes on it", async () => {
  const reported = await rollback([]);
  await serves(reported, "0.15.1", ["first", "second", "third"]);
  assert.equal(reported.said["databaseStrategy"], "keep");
  assert.equal(place.revision(), "1c28e167b74f");
  await place.write("fourth");
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(verified.code, 0, JSON.stringify(verified.said));
});

test("0.16.8 comes again, with all agents", async () => {
  const reported = await deploy("0.16.8");
  await serves(reported, "0.16.8", ["first", "second", "third", "fourth"]);
  assert.equal(reported.said["databaseStrategy"], "none");
});

longTest("between releases of one schema a rollback is a swap", async () => {
  const before = ["first", "second", "third", "fourth"];
  const deployed = await deploy("0.16.7");
  await serves(deployed, "0.16.7", before);
  assert.equal(deployed.said["strategy"], "blue-green");
  const reported = await rollback([]);
  await serves(reported, "0.16.8", before);
  assert.equal(reported.said["databaseStrategy"], "none");
});

test("without the recorded verification a rollback is refused, and no container is touched", async () => {
  const ids = containerIds(place.project);
  const retained = place.releases().map(({ id }) => {
    const path = join(place.state, "releases", id, "release.json");
    const text = readFileSync(path, "utf8");
    writeFileSync(path, JSON.stringify({ ...(JSON.parse(text) as object), verifications: [] }));
    return { path, text };
  });
  const reported = await rollback(["0.15.1"]);
  assert.equal(reported.code, 3);
  assert.equal(reported.said["code"], "ROLLBACK_UNSAFE");
  const words = JSON.stringify(reported.said["details"]);
  for (const databaseStrategy of ["keep", "copy", "downgrade", "restore"])
    assert.ok(words.includes(databaseStrategy), databaseStrategy);
  assert.match(words, /restore would lose at least \d+ rows/);
  assert.deepEqual(containerIds(place.project), ids);
  for (const { path, text } of retained) writeFileSync(path, text);
});

longTest("copy: the present rows in the older schema; the newer database is retained", async () => {
  const reported = await rollback(["0.15.1", "--database", "copy"]);
  await serves(reported, "0.15.1", ["first", "second", "third", "fourth"]);
  assert.equal(place.revision(), "b1c2d3e4f5a6");
  assert.ok(place.databases().includes(`letta_retained_${String(reported.said["release"])}`));
  await place.write("fifth");
});

longTest("0.16.8 is migrated to once more, and takes its dump", async () => {
  const before = ["first", "second", "third", "fourth", "fifth"];
  await serves(await deploy("0.16.8"), "0.16.8", before);
});

longTest(
  "restore: the data as at the dump, what was written since in a database that is retained",
  async () => {
    await place.write("sixth");
    const reported = await rollback(["0.15.1", "--database", "restore"]);
    const dumped = ["first", "second", "third", "fourth", "fifth"];
    await serves(reported, "0.15.1", dumped);
    const retained = `letta_retained_${String(reported.said["release"])}`;
    assert.equal(place.psql("SELECT count(*) FROM agents WHERE name = 'sixth'", retained), "1");
  },
);

test("history and releases tell all that was done", async () => {
  const { said } = await place.tell("history", ["prod"]);
  const events = said["events"] as { command: string; outcome: string; release: string | null }[];
  assert.deepEqual(
    events.map((one) => `${one.command} ${one.outcome}`),
    done.map((command) => `${command} done`).reverse(),
  );
  const listed = (await place.tell("releases", ["prod"])).said["releases"] as {
    restorable: boolean;
  }[];
  assert.equal(listed.length, done.length);
  assert.ok(listed.every((one) => one.restorable));
});
