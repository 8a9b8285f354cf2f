// `npm run doctor` on a small telemetry part of the real thing: a collector and a ClickHouse as the
// stack of dev has them, and a service that stands for the server by its log files. Each test breaks
// one thing, sees its cause and the way on, and fixes it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { askClickHouse } from "../../scripts/checks/askClickHouse.ts";
import { canary, sendOverGrpc, sendSpansOverHttp } from "../../scripts/checks/canary.ts";
import type { Finding } from "../../scripts/checks/check.ts";
import { request } from "../../scripts/checks/request.ts";
import { builtCollector, composed } from "../fakes/otlp/composed.ts";
import {
  bundledClickHouse,
  exampleSecrets,
  exampleStack,
  exampleValues,
  lookupOf,
  root,
} from "../stack/exampleStack.ts";
import { docker, workspace, type Ran } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const firstPort = portsOf("doctor");
const space = workspace("doctor", firstPort);
const { project } = space;
const clickHousePort = String(firstPort + 10);
const folder = mkdtempSync(join(tmpdir(), "doctor-"));
const settings = { ...bundledClickHouse, CLICKHOUSE_PUBLISH_PORT: clickHousePort };
const signoz = {
  SIGNOZ_ENDPOINT: "https://127.0.0.1:1",
  SIGNOZ_INGESTION_KEY: "ingestion-secret-4e8d",
};
const volumes = ["probe", "logs", "telemetry"];
/** Small disks by the user that writes to them, so that they can be filled; empty once unused. */
const disks = { "clickhouse-disk": "size=256m,uid=101", "queue-disk": "size=1m,uid=10001" };
const volume = (name: string) => `${project}-${name}`;
const container = volume;
const probeImage = () =>
  docker("images", "letta-stack/probe", "--format", "{{.Repository}}:{{.Tag}}").split("\n")[0]!;
/** Words in lines that belong together. */
const engine = (lines: readonly (readonly string[])[]) => docker(...lines.flat());
/** As the stack's own `permissions` job does its work. */
const asRoot = (script: string) =>
  engine([
    ["run", "--rm", "--network", "none", "--entrypoint", "/bin/busybox"],
    ...volumes.map((name) => ["-v", `${volume(name)}:/${name}`]),
    [probeImage(), "sh", "-ec", script],
  ]);

function make(service: string, rest: readonly (readonly string[])[]): void {
  engine([
    ["create", "--init", "--name", `${project}-${service}`, "--network", project],
    ["--network-alias", service, "-v", `${volume("probe")}:/probe:ro`],
    ["--label", `com.docker.compose.project=${project}`],
    ["--label", `com.docker.compose.service=${service}`],
    ["--label", `letta-stack.role=${service}`],
    ...rest,
  ]);
}

/** A collector of dev with these settings, where the one before stood. */
async function startCollector(
  given: Readonly<Record<string, string>>,
  queue: readonly string[] = [],
): Promise<void> {
  spawnSync("docker", ["rm", "-f", container("collector")]);
  const { configuration, secrets } = composed("dev", given);
  const ports = {
    4317: firstPort + 2,
    4318: firstPort + 3,
    13133: firstPort + 4,
    8888: firstPort + 5,
  };
  make("collector", [
    ["--user", "10001:10001", "--memory", "1536m", "--cap-drop", "ALL"],
    ["--restart", "unless-stopped"],
    ...Object.entries(ports).map(([inside, here]) => ["-p", `127.0.0.1:${here}:${inside}`]),
    ["-v", `${volume("logs")}:/var/log/letta:ro`],
    ["-v", `${volume("telemetry")}:/var/lib/otelcol`],
    queue,
    ...Object.entries(secrets).map(([name, value]) => ["--env", `${name}=${value}`]),
    [builtCollector(settings), "--config", "/config.yaml"],
  ]);
  writeFileSync(join(folder, "config.yaml"), configuration);
  docker("cp", join(folder, "config.yaml"), `${container("collector")}:/config.yaml`);
  docker("start", container("collector"));
  await becomes(isUp);
}

const isUp = async () => (await request(`http://127.0.0.1:${firstPort + 4}/`)).status === 200;

async function becomes(holds: () => Promise<boolean>, ms = 30_000): Promise<void> {
  const until = performance.now() + ms;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > until) assert.fail(`not within ${ms} ms: ${holds.toString()}`);
    await sleep(200);
  }
}

/** @returns its trace */
async function sendCanary(): Promise<string> {
  const sent = canary(randomBytes(8).toString("hex"));
  await sendOverGrpc(firstPort + 2, sent, Date.now());
  return sent.trace;
}

/** It is in ClickHouse within the time. */
async function arrives(what: string, table = "otel_traces", column = "TraceId"): Promise<void> {
  const url = `http://127.0.0.1:${clickHousePort}`;
  const password = bundledClickHouse["CLICKHOUSE_READER_PASSWORD"]!;
  const reader = {
    url,
    user: "otel_reader",
    password,
    caCertificate: undefined,
    connect: undefined,
  };
  const query = `SELECT count() > 0 FROM ${table} WHERE ${column} = {what:String}`;
  await becomes(async () => (await askClickHouse(reader, "otel", query, { what })).text === "1");
}

/** The collector's container has said so since it was made. */
const says = (words: RegExp) =>
  becomes(async () =>
    words.test(spawnSync("docker", ["logs", container("collector")]).stderr.toString()),
  );

/** When the collector was started, and how often. */
const started = () =>
  docker("inspect", "-f", "{{.State.StartedAt}} {{.RestartCount}}", container("collector"));

/** Runs a line of a shell in a service. It may fail, as filling a disk does in the end. */
function within(part: string, shell: readonly string[], line: string): void {
  spawnSync("docker", ["exec", container(part), ...shell, "-c", line]);
}

const clickHouseIsUp = () =>
  becomes(
    async () => (await request(`http://127.0.0.1:${clickHousePort}/ping`)).status === 200,
    60_000,
  );

interface DoctorContext {
  readonly ran: Ran;
  of(name: string): Finding;
}

/** What the doctor finds under these settings. */
async function doctorContext(given: Readonly<Record<string, string>>): Promise<DoctorContext> {
  const ran = await space.run("doctor", ["dev", "--json"], { ...exampleSecrets, ...given });
  const { findings } = JSON.parse(ran.stdout) as { findings: Finding[] };
  return {
    ran,
    of: (name) =>
      findings.find((one) => one.name === name) ??
      assert.fail(`no finding ${name}: ${findings.map((one) => one.name).join(", ")}`),
  };
}

before(async () => {
  docker("network", "create", project);
  for (const name of volumes) docker("volume", "create", volume(name));
  for (const [name, size] of Object.entries(disks)) {
    const opts = ["type=tmpfs", "device=tmpfs", `o=${size},mode=0750`];
    docker("volume", "create", ...opts.flatMap((one) => ["--opt", one]), volume(name));
  }
  asRoot(`cp /bin/busybox /probe/busybox; mkdir -p /telemetry/queue
    chown -R 10001:10001 /telemetry; chmod 755 /logs
    echo '{"timestamp":"2026-01-01T00:00:00.000001+00:00","level":"INFO","message":"a"}' >/logs/Letta.log`);
  const configs = exampleStack("dev", bundledClickHouse).model["configs"] as ValueMap;
  const { content } = configs["clickhouse_users"] as { content: string };
  writeFileSync(join(folder, "users.xml"), content.replaceAll("$$", "$"));
  const users = `${join(folder, "users.xml")}:/etc/clickhouse-server/users.d/letta-stack.xml:ro`;
  const passwords = Object.entries(bundledClickHouse).filter(([name]) => /PASSWORD/.test(name));
  const recipe = recipes("dev", lookupOf(exampleValues("dev"))).find(
    (one) => one.role === "clickhouse",
  )!;
  make("clickhouse", [
    ["-p", `127.0.0.1:${clickHousePort}:8123`, "-v", users, "--memory", "2g"],
    ["-v", `${volume("clickhouse-disk")}:/var/lib/clickhouse`],
    ...passwords.map(([name, value]) => ["--env", `${name}=${value}`]),
    [contentTag(root, recipe)],
  ]);
  make("server", [
    ["-v", `${volume("logs")}:/root/.letta/logs`, "--entrypoint", "/bin/busybox"],
    [probeImage(), "sleep", "3600"],
  ]);
  docker("start", `${project}-clickhouse`, `${project}-server`);
  await clickHouseIsUp();
  await startCollector(settings);
  await sendCanary();
  await becomes(async () => {
    const { body } = await request(`http://127.0.0.1:${firstPort + 5}/metrics`);
    return /^otelcol_exporter_sent_spans\{exporter="clickhouse".* [1-9]/m.test(body);
  });
});

after(async () => {
  const named = ["collector", "clickhouse", "server"].map((one) => `${project}-${one}`);
  spawnSync("docker", ["rm", "-f", "-v", ...named]);
  spawnSync("docker", ["volume", "rm", ...[...volumes, ...Object.keys(disks)].map(volume)]);
  spawnSync("docker", ["network", "rm", project]);
  rmSync(folder, { recursive: true });
  await space.remove();
});

const working = [
  ["platform", "collector version", "ClickHouse settings", "collector"],
  ["OTLP gRPC", "OTLP HTTP", "log file", "queue", "latency", "server to collector"],
  ["exporter clickhouse", "ClickHouse answers", "ClickHouse writer", "ClickHouse reader"],
  ["ClickHouse tables", "space in ClickHouse", "arrival in ClickHouse", "clocks"],
].flat();

test("a telemetry part that works passes each of its checks", async () => {
  const { of } = await doctorContext(settings);
  for (const name of working) {
    const { outcome, detail } = of(name);
    assert.equal(outcome, "passed", `${name}: ${detail}`);
  }
  assert.match(of("log file").detail, /read to its end, 1 of its last 1 lines are JSON/);
  assert.match(of("collector").detail, /^0\.96\.0/);
});

test("a wrong ClickHouse password is reported with its user and never shown", async () => {
  const wrong = "another-secret-0b1d";
  const { ran, of } = await doctorContext({ ...settings, CLICKHOUSE_PASSWORD: wrong });
  const { outcome, detail, next } = of("ClickHouse writer");
  assert.equal(outcome, "failed");
  assert.equal(detail, "ClickHouse knows no otel_writer with the password of CLICKHOUSE_PASSWORD");
  assert.equal(next, "npm run up:dev -- --recreate clickhouse");
  assert.equal(of("ClickHouse reader").outcome, "passed");
  assert.equal(ran.code, 3);
  assert.ok(!`${ran.stdout}${ran.stderr}`.includes(wrong));
});

test("a log file that the collector may not read is reported with its mode and the command that fixes it", async () => {
  asRoot("chmod 600 /logs/Letta.log");
  const { outcome, detail, next } = (await doctorContext(settings)).of("log file");
  assert.equal(outcome, "failed");
  assert.match(detail, /^Letta\.log has mode 600 and owner 0:0: .*10001.* may not read it$/);
  assert.equal(next, `docker exec ${project}-server chmod a+r /root/.letta/logs/Letta.log`);
  // The real server's image has a shell's tools of its own; this one has them in busybox.
  docker(...next!.split(" ").slice(1).toSpliced(2, 0, "/bin/busybox"));
  assert.equal((await doctorContext(settings)).of("log file").outcome, "passed");
});

test("a queue that the collector cannot write to is reported with its owner", async () => {
  asRoot("chown 0:0 /telemetry/queue; chmod 755 /telemetry/queue");
  const { outcome, detail, next } = (await doctorContext(settings)).of("queue");
  asRoot("chown 10001:10001 /telemetry/queue");
  assert.equal(outcome, "failed");
  assert.match(detail, /mode 755 and owner 0:0.* cannot write to it/);
  assert.equal(next, "npm run up:dev");
});

test("a ClickHouse that hangs is distinguished from one that is away, and what comes waits for it", async () => {
  const before = started();
  within("clickhouse", ["sh"], "kill -STOP -1");
  const sent = await sendCanary();
  await says(/deadline exceeded/);
  const { of } = await doctorContext(settings);
  within("clickhouse", ["sh"], "kill -CONT -1");
  const answers = of("ClickHouse answers");
  assert.equal(answers.outcome, "failed");
  assert.match(answers.detail, /: it takes the connection and does not answer: it hangs$/);
  assert.match(of("exporter clickhouse").detail, /^timeout: .*deadline exceeded/);
  assert.equal(of("collector").outcome, "passed");
  await arrives(sent);
  assert.equal(started(), before, "the collector was started again");
});

test("a ClickHouse whose disk is full is reported so, and what comes waits until it has space", async () => {
  const before = started();
  within("clickhouse", ["sh"], "cat /dev/zero > /var/lib/clickhouse/fill");
  const sent = await sendCanary();
  await says(/NOT_ENOUGH_SPACE/);
  const { of } = await doctorContext(settings);
  within("clickhouse", ["sh"], "rm /var/lib/clickhouse/fill");
  const free = of("space in ClickHouse");
  assert.equal(free.outcome, "failed");
  assert.match(free.detail, /^default: 0 of 256 MB are free; /);
  assert.equal(free.next, "npm run settings -- dev --explain CLICKHOUSE_TTL");
  assert.match(of("exporter clickhouse").detail, /^sink full: .*NOT_ENOUGH_SPACE/);
  for (const name of ["ClickHouse answers", "ClickHouse writer", "collector", "queue"])
    assert.equal(of(name).outcome, "passed", name);
  await arrives(sent);
  assert.equal(started(), before, "the collector was started again");
});

test("a collector whose ClickHouse is away at its start tries until it is there, and nothing is lost", async () => {
  docker("stop", container("clickhouse"));
  const sent = await sendCanary();
  docker("restart", container("collector"));
  const line = `written meanwhile ${sent}`;
  asRoot(
    `echo '{"timestamp":"2026-11-22T00:00:00.000001+00:00","level":"INFO","message":"${line}"}' >>/logs/Letta.log`,
  );
  await becomes(async () => Number(started().split(" ")[1]) > 1);
  const { of } = await doctorContext(settings);
  docker("start", container("clickhouse"));
  // It may be seen while it runs for a moment.
  assert.equal(of("collector").outcome, "failed");
  assert.match(of("collector").detail, /start.*: unreachable: .*create database/);
  assert.equal(of("ClickHouse answers").detail, "its container is exited");
  await clickHouseIsUp();
  await becomes(isUp);
  await arrives(sent);
  await arrives(line, "otel_logs", "Body");
});

test("a queue whose disk is full is reported with what it loses, and takes again once it has space", async () => {
  await startCollector(settings, ["-v", `${volume("queue-disk")}:/var/lib/otelcol/queue`]);
  const before = started();
  const busybox = ["/probe/busybox", "sh"];
  within("collector", busybox, "/probe/busybox cat /dev/zero > /var/lib/otelcol/queue/fill");
  const ask = (_: number, path: string, asked: object) =>
    request(`http://127.0.0.1:${firstPort + 3}${path}`, asked);
  const spans = Array.from({ length: 4000 }, () => randomBytes(8).toString("hex"));
  await sendSpansOverHttp({ ask }, randomBytes(16).toString("hex"), spans, Date.now());
  await says(/Rejecting data.*no space left/);
  const { of } = await doctorContext(settings);
  within("collector", busybox, "/probe/busybox rm /var/lib/otelcol/queue/fill");
  assert.equal(of("queue").outcome, "failed");
  assert.match(of("queue").detail, /^its disk is full: .* lost$/);
  const exporter = of("exporter clickhouse");
  assert.match(exporter.detail, /^queue disk full: .*no space left.*; it drops data for it/);
  for (const name of ["collector", "ClickHouse answers", "space in ClickHouse"])
    assert.equal(of(name).outcome, "passed", name);
  await arrives(await sendCanary());
  assert.equal(started(), before, "the collector was started again");
});

test("a SigNoz that no one reaches is recognised by the connection and in the exporter's own words", async () => {
  await startCollector(signoz);
  await sendCanary();
  await becomes(async () =>
    /Exporting failed.*connection refused/.test(
      spawnSync("docker", ["logs", `${project}-collector`]).stderr.toString(),
    ),
  );
  const { ran, of } = await doctorContext(signoz);
  const answers = of("SigNoz answers");
  assert.equal(answers.outcome, "failed");
  assert.match(answers.detail, /nothing listens there \(ECONNREFUSED\)/);
  assert.equal(answers.next, "npm run settings -- dev --explain SIGNOZ_ENDPOINT");
  const exporter = of("exporter otlp/signoz");
  assert.equal(exporter.outcome, "failed");
  assert.match(exporter.detail, /^unreachable: .*connection refused/);
  assert.equal(exporter.next, "npm run verify -- dev");
  assert.equal(of("SigNoz key").outcome, "skipped");
  assert.ok(!ran.stdout.includes(signoz.SIGNOZ_INGESTION_KEY));
});

test("with nothing running, what needs a running part is skipped with the reason", async () => {
  const { of } = await doctorContext({ STACK_PROJECT: `${project}-none` });
  for (const name of ["collector", "OTLP HTTP", "log file", "queue", "exporter file/traces"]) {
    assert.deepEqual([of(name).outcome, of(name).detail], ["skipped", "nothing of dev runs"]);
  }
  assert.equal(of("collector").next, "npm run up:dev");
});
