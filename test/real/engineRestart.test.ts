// The engine ends and comes back: as after a reboot of the host, and in the middle of a deploy.
// Runs after all other suites, alone, as it takes every container of the machine down with it;
// where there are others' it does so only with END_ENGINE=true.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { changeHost, observeHost, planEngineStart } from "../../scripts/docker/host.ts";
import { assertInvariants } from "./invariants.ts";
import { othersOnEngine } from "./othersOnEngine.ts";
import { portsOf } from "./portsOf.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker } from "./workspace.ts";

let place: FakeServerWorkspace;

before(async () => {
  place = await fakeServerWorkspace("restart", portsOf("engineRestart"));
  const reported = await place.deploy("1.0.0");
  assert.equal(reported.code, 0, reported.stdout);
  await place.write("before");
});
after(async () => {
  await startEngine();
  await place.remove();
});

const isThere = () => spawnSync("docker", ["version"]).status === 0;

async function until(what: string, look: () => boolean | Promise<boolean>, seconds: number) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(200)) {
    if (await look()) return;
  }
  assert.fail(`${what}: not within ${seconds} s`);
}

/** With TERM as a host that shuts down does, with KILL as one that loses its power. */
async function stopEngine(signal: "TERM" | "KILL"): Promise<void> {
  const others = process.env["END_ENGINE"] === "true" ? [] : othersOnEngine();
  assert.deepEqual(others, [], "it would end these; with END_ENGINE=true it does");
  const file = "/var/run/docker.pid";
  const pid = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  assert.notEqual(pid, "", "expected an engine of this host with its pid in /var/run/docker.pid");
  if (observeHost().systemd) spawnSync("systemctl", ["stop", "docker.socket"]);
  spawnSync("kill", [`-${signal}`, pid]);
  await until("the engine's end", () => !existsSync(`/proc/${pid}`), 60);
}

async function startEngine(): Promise<void> {
  if (isThere()) return;
  await changeHost(planEngineStart(observeHost()), process.env);
  await until("the engine", isThere, 60);
}

/** Each part that is to run, with how it is. */
function health(): string[] {
  const format =
    "{{.Name}} {{.HostConfig.RestartPolicy.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}";
  return docker("inspect", "-f", format, ...Object.values(containerIds(place.project)))
    .split("\n")
    .filter((one) => !one.includes(" no ")); // a job
}

test("after a restart of the engine the stack is healthy again by itself", async () => {
  await stopEngine("TERM");
  await startEngine();
  await until("every service", () => health().every((one) => one.endsWith("running healthy")), 90);
  assert.deepEqual(await place.agents(), ["before"]);
  await assertInvariants(place, { tags: ["1.0.0"], agents: ["before"], killed: [] });
});

test("an engine that is killed in the middle of a deploy leaves the old or the new release", async () => {
  const deploying = place.start("deploy", ["prod", "2.0.0", "--yes", "--json"]);
  await until("the migration", () => place.journal().some((one) => one.step === "migrations"), 90);
  await stopEngine("KILL");
  await startEngine();
  const ran = await deploying.ended;
  assert.notEqual(ran.code, 1, ran.stdout + ran.stderr);
  assert.notEqual(ran.code, 2, ran.stdout);
  const again = await place.deploy("2.0.0");
  assert.equal(again.code, 0, again.stdout);
  assert.equal(await place.version(), "2.0.0");
  await assertInvariants(place, { tags: ["2.0.0"], agents: ["before"], killed: [] });
});
