// A release that answers errors while it is watched, on the real engine, with spans that its
// server sent and the collector retained: rolled back automatically, or, across a schema change, reported. What
// ClickHouse answers instead of the file is in clickhouse.test.ts.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Comparison } from "../../scripts/deploy/bake.ts";
import { evidence } from "./invariants.ts";
import type { Reported } from "./prodWorkspace.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const sick = "letta-test-bake-gate-sick";
const firstPort = portsOf("bakeGate");
const seconds = 3;
let place: FakeServerWorkspace;

/** The fake server server with a fault of its own: it answers no list of blocks. */
function sickServer(): string {
  const source = readFileSync(join(import.meta.dirname, "../fakes/server/server.py"), "utf8");
  const answers = "        match self.command, bool(identity):\n";
  assert.equal(source.split(answers).length, 2, `server.py: expected one ${answers}`);
  const fault =
    "        if self.command == 'GET' and path == '/v1/blocks/':\n            raise Refusal(500, 'sick')\n";
  return source.replace(answers, fault + answers);
}

before(async () => {
  place = await fakeServerWorkspace("bake-gate", firstPort);
  const folder = mkdtempSync(join(tmpdir(), "bake-gate-"));
  writeFileSync(join(folder, "server.py"), sickServer());
  for (const version of ["1.1.0", "2.0.0"]) {
    const made = docker("create", `letta-stack-fake-server:${version}`);
    docker("cp", join(folder, "server.py"), `${made}:/opt/fake-server/server.py`);
    docker("commit", made, `${sick}:${version}`);
    docker("rm", made);
  }
  rmSync(folder, { recursive: true });
});
after(async () => {
  await place.remove();
  docker("rmi", ...["1.1.0", "2.0.0"].map((version) => `${sick}:${version}`));
});

/** Deploys under the gate, asked for blocks all the while and as long before. */
async function deploy(tag: string, more: Readonly<Record<string, string>> = {}): Promise<Reported> {
  const ended = new AbortController();
  // Connections that stay: a busy machine takes its time with each new one.
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  let asked = 0;
  const visitors = [0, 1, 2, 3].map(async () => {
    while (!ended.signal.aborted) {
      await askForBlocks(agent);
      asked += 1;
      await sleep(20);
    }
  });
  try {
    while (asked < 20) await sleep(50);
    await sleep(seconds * 1000);
    return await place.deploy(tag, [], {
      BAKE_TIME: `${seconds}s`,
      BAKE_GATE: "true",
      BAKE_GATE_REQUESTS: "2",
      // How long this machine takes is not what is tried.
      BAKE_GATE_SLOWER: "100",
      ...more,
    });
  } finally {
    ended.abort();
    await Promise.all(visitors);
    agent.destroy();
  }
}

/** One request, whatever it comes to: while no one serves it fails. */
function askForBlocks(agent: Agent): Promise<void> {
  const headers = { authorization: `Bearer ${place.password}` };
  return new Promise((resolve) => {
    const sent = request({
      host: "127.0.0.1",
      port: firstPort,
      path: "/v1/blocks/?limit=1",
      headers,
      agent,
    });
    sent.once("response", (reply) => reply.resume().once("end", resolve));
    sent.once("error", () => resolve());
    sent.setTimeout(5000, () => sent.destroy());
    sent.end();
  });
}

const words = ({ said }: Reported) => JSON.stringify(said);
const blocks = async () => (await place.ask("GET /v1/blocks/?limit=1")).status;

test("a release that answers errors is rolled back automatically, and both figures are reported and stored", async () => {
  const first = await place.deploy("1.0.0", [], { BAKE_GATE: "true" });
  assert.deepEqual([first.code, first.said["bake"]], [0, null], words(first));
  const reported = await deploy("1.1.0", { LETTA_IMAGE: sick });
  assert.deepEqual([reported.code, reported.said["code"]], [4, "ROLLED_BACK"], words(reported));
  const details = reported.said["details"] as string[];
  assert.match(
    details[0]!,
    /^it serves worse than 1\.0\.0: more than 5 points more requests fail: /,
  );
  assert.match(details[1]!, /^000001 \(1\.0\.0\): 0 of \d+ requests failed \(0\.0 %\)/);
  assert.match(details[2]!, /^000002 \(1\.1\.0\): \d+ of \d+ requests failed \(100\.0 %\)/);
  assert.deepEqual([await place.version(), await blocks()], ["1.0.0", 200]);
  const retained = JSON.parse(
    readFileSync(join(evidence(place, "000002"), "bake.json"), "utf8"),
  ) as Comparison;
  assert.equal(retained.verdict, "worse");
  const judged = place.journal().filter((one) => one.step === "compare with previous release");
  assert.deepEqual(
    judged.map((one) => one.event),
    ["begin", "failed"],
  );
  assert.match(judged[1]!.detail!, /100\.0 %/);
});

test("a release that serves as well as the one before it stays", async () => {
  const reported = await deploy("1.1.0");
  assert.equal(reported.code, 0, words(reported));
  const { verdict, previous, present } = reported.said["bake"] as Comparison;
  assert.equal(verdict, "fine", words(reported));
  for (const { figures } of [previous, present]) {
    assert.ok(typeof figures === "object" && figures.requests >= 2, words(reported));
    assert.equal(figures.errors, 0);
  }
  assert.equal(await place.version(), "1.1.0");
});

test("across a schema change it stays, counts as unverified, and the command it names rolls back", async () => {
  const before = place.newestGood()!;
  const reported = await deploy("2.0.0", { LETTA_IMAGE: sick });
  assert.deepEqual([reported.code, reported.said["code"]], [5, "STEP_FAILED"], words(reported));
  assert.deepEqual([await place.version(), place.revision(), await blocks()], ["2.0.0", "r2", 500]);
  const good = place.newestGood()!;
  assert.deepEqual([good.tag, good.from], ["2.0.0", before.id]);
  assert.match(good.worse!, /more than 5 points more requests fail/);
  assert.equal(reported.said["next"], `npm run rollback -- ${before.id} --env prod`);
  const back = await place.rollback([before.id]);
  assert.equal(back.code, 0, words(back));
  assert.deepEqual([await place.version(), await blocks()], ["1.1.0", 200]);
});
