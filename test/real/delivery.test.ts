import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";
import type { Context } from "../../scripts/state/context.ts";
import { chooseImages } from "../../scripts/deploy/obtainImages.ts";
import {
  imageSettings,
  prepareStack,
  type PreparedStack,
} from "../../scripts/deploy/prepareStack.ts";
import { scratchProject } from "../../scripts/state/stateDirectory.ts";
import { installationId, secretKey } from "../../scripts/state/secretKey.ts";
import { checkFailover } from "../../scripts/deploy/failOver.ts";
import { readSettings, type Settings } from "../../scripts/settings/readSettings.ts";
import { expectation, type Expectation } from "../../scripts/checks/expectation.ts";
import { productionChecks } from "../../scripts/checks/productionChecks.ts";
import { checkTelemetryFlow } from "../../scripts/checks/checkTelemetryFlow.ts";
import { datadog, type Datadog } from "../fakes/datadog/datadog.ts";
import { gateway } from "../fakes/otlp/collector.ts";
import { builtCollector } from "../fakes/otlp/composed.ts";
import { bundledClickHouse, exampleSecrets, root } from "../stack/exampleStack.ts";
import { portsOf } from "./portsOf.ts";
import { containerIds, docker } from "./workspace.ts";

// The telemetry of a rendered stack on its real parts, without its server: what its verification sees
// where all is well, and where an exporter, a sink or the collector itself is not.
const project = "letta-test-delivery";
const engine = dockerEngine(endpoint(process.env), process.env);
const folder = mkdtempSync(join(tmpdir(), "delivery-"));
const key = "datadogKeyOfTheRig12";
const ports = {
  OTEL_GRPC_PORT: String(portsOf("delivery") + 0),
  OTEL_HTTP_PORT: String(portsOf("delivery") + 1),
  OTEL_HEALTH_PORT: String(portsOf("delivery") + 2),
  OTEL_METRICS_PORT: String(portsOf("delivery") + 3),
  CLICKHOUSE_PUBLISH_PORT: String(portsOf("delivery") + 4),
};
const context: Context = {
  engine,
  reporter: {
    steps: [],
    step: (_name, work) => work(() => undefined),
    note: () => undefined,
    show: () => undefined,
    confirm: async () => undefined,
  } as Partial<Context["reporter"]> as Context["reporter"],
  now: () => Date.now(),
  randomBytes,
  signal: new AbortController().signal,
  processEnvironment: {},
};
const verification = {
  engine,
  now: () => Date.now(),
  randomId: () => randomBytes(8).toString("hex"),
  redact: (text: string) => text.replaceAll(bundledClickHouse["CLICKHOUSE_PASSWORD"]!, "••••••"),
};

let fake: Datadog;
let settings: Settings;
let prepared: PreparedStack;
let expected: Expectation;

before(async () => {
  fake = await datadog({ host: gateway(), port: 0, key });
  const chosen = {
    ...exampleSecrets,
    ...ports,
    ...bundledClickHouse,
    DD_API_KEY: key,
    DD_URL: `http://${gateway()}:${fake.port}`,
    COLLECTOR_REPLICAS: "2",
    STACK_PROJECT: project,
  };
  builtCollector(chosen);
  settings = readSettings({ environment: "dev", root, processEnvironment: chosen });
  const images = await chooseImages(settings, imageSettings(settings), context);
  prepared = prepareStack(settings, { release: "000001", images: images.bySetting });
  expected = expectation(prepared.stack, {
    version: "0",
    serverName: undefined,
    password: undefined,
    delivery: readDelivery(prepared.collector),
    reader: {
      user: settings.get("CLICKHOUSE_READER_USERNAME"),
      password: settings.get("CLICKHOUSE_READER_PASSWORD"),
      caCertificate: undefined,
    },
    grafana: undefined,
  });
  const file = join(folder, "compose.yaml");
  writeFileSync(file, prepared.stack.text);
  const call = { file, project, secrets: Object.fromEntries(settings.secrets) };
  const collectors = expected.collectors.map((one) => one.service);
  await engine.down(project, true);
  await engine.create(call, ["permissions", "clickhouse", ...collectors]);
  docker("start", "-a", containerIds(project)["permissions"]!);
  for (const service of ["clickhouse", ...collectors]) {
    await engine.startWithFiles(call, service);
    await healthy(service);
  }
});
/** The Compose project of the throw-away twin. */
const twin = () =>
  scratchProject(project, "twin", installationId(secretKey(folder, context.randomBytes)));

after(async () => {
  await engine.down(project, true);
  await engine.down(twin(), true);
  await fake.close();
  rmSync(folder, { recursive: true });
});

async function healthy(service: string) {
  const id = containerIds(project)[service]!;
  for (let tries = 0; tries < 600; tries++) {
    if ((await engine.inspect(id)).health === "healthy") return;
    await sleep(100);
  }
  throw new Error(docker("logs", id));
}

async function failover() {
  const verifications = await checkTelemetryFlow(expected, verification);
  const production = await productionChecks(verifications, expected.delivery, async () => "200");
  return [...verifications.flatMap((one) => one.checks), ...production];
}

const outcomes = (checks: Awaited<ReturnType<typeof failover>>) =>
  Object.fromEntries(checks.map((one) => [one.name, one.outcome]));

test("every exporter delivers every signal, and all that can be read is read back", async () => {
  const checks = await failover();
  assert.deepEqual(
    checks.filter((one) => one.outcome !== "passed").map((one) => `${one.name}: ${one.detail}`),
    ["failover and retry: only with --failover"],
  );
  const each = ["traces", "metrics", "logs"].flatMap((signal) =>
    ["clickhouse", "datadog", "file"].map((exporter) => `${exporter} ${signal}`),
  );
  assert.deepEqual(
    checks.map((one) => one.name).filter((name) => / (traces|metrics|logs)$/.test(name)),
    [...each, ...each.map((name) => `collector-2 ${name}`)],
  );
  const points = [...fake.retained.points.keys()];
  assert.ok(
    points.some((name) => name.startsWith("canary_")),
    points.join(", "),
  );
});

test("a sink that refuses is recognised by its exporter's name, with the cause in the collector's words", async () => {
  fake.mood = { does: "refuse", status: 503 };
  try {
    const failed = (await failover()).filter((one) => one.outcome === "failed");
    const names = failed.map((one) => one.name);
    assert.ok(names.includes("datadog metrics"), names.join(", "));
    assert.ok(names.includes("exporters sending"), names.join(", "));
    assert.ok(names.includes("Datadog reporting"), names.join(", "));
    assert.ok(!names.some((name) => /clickhouse|file |canary/.test(name)), names.join(", "));
    const { detail } = failed.find((one) => one.name === "datadog metrics")!;
    assert.match(detail, /^expected 1 or more sent, got 0.*; server error: .*503/);
  } finally {
    fake.mood = { does: "take" };
  }
});

test("a ClickHouse that is away is reported, though the collector is healthy all the while", async () => {
  const id = containerIds(project)["clickhouse"]!;
  docker("stop", id);
  try {
    const checks = await failover();
    const said = outcomes(checks);
    assert.equal(said["collector healthy"], "passed");
    assert.equal(said["file traces"], "passed");
    for (const signal of ["traces", "metrics", "logs"]) {
      assert.equal(said[`clickhouse ${signal}`], "failed");
    }
    assert.equal(said["canary trace"], "failed");
    const { detail } = checks.find((one) => one.name === "clickhouse traces")!;
    assert.match(detail, /expected 1 or more sent, got 0.*unreachable: nothing answers/);
  } finally {
    docker("start", id);
    await healthy("clickhouse");
  }
});

test("a reader's password that is wrong is recognised by ClickHouse's own words, and not shown", async () => {
  const right = expected;
  expected = { ...right, clickHouse: { ...right.clickHouse!, password: "wrong-reader-1" } };
  try {
    const checks = await failover();
    const { outcome, detail } = checks.find((one) => one.name === "canary log")!;
    assert.equal(outcome, "failed");
    assert.match(detail, /AUTHENTICATION_FAILED/);
    assert.ok(!detail.includes("wrong-reader-1"));
  } finally {
    expected = right;
  }
});

test("a collector that is killed while a canary waits in it is reported: it started again", async () => {
  const id = containerIds(project)["collector"]!;
  const failoverWithKill = async () => {
    // Long enough up that starting again shows.
    const verifying = failover();
    await sleep(300);
    docker("kill", "-s", "KILL", id);
    docker("start", id);
    const checks = await verifying;
    await healthy("collector");
    return checks;
  };
  let checks = await failoverWithKill();
  // A busy machine may take longer over the kill than a batch waits: then it has got through.
  for (let more = 0; more < 3 && checks.every((one) => one.outcome !== "failed"); more++)
    checks = await failoverWithKill();
  for (const name of ["clickhouse traces", "file logs", "datadog metrics"]) {
    const { outcome, detail } = checks.find((one) => one.name === name)!;
    assert.equal(outcome, "failed");
    assert.match(detail, /^expected a collector that stays up, it started again \(up .* s\)$/);
  }
  // The one that stayed up is none the worse.
  assert.equal(outcomes(checks)["collector-2 clickhouse traces"], "passed");
});

async function assertFailover(given: Settings, made: PreparedStack) {
  const { outcome, detail } = await checkFailover(given, made, folder, context);
  assert.equal(outcome, "passed", detail);
  assert.match(detail, /^(\d+) spans sent, \1 received, \d+ of them twice; the sink was away/);
}

test("a sink that is away and comes back has every span, and nothing of the twin is left", async () => {
  await assertFailover(settings, prepared);
  const left = docker("ps", "-aq", "--filter", `label=com.docker.compose.project=${twin()}`);
  assert.equal(left, "");
  assert.deepEqual(await engine.volumes(twin()), []);
});

test("so it is where SigNoz is the sink, which a second collector stands for", async () => {
  const chosen = {
    ...exampleSecrets,
    ...ports,
    SIGNOZ_ENDPOINT: "https://ingest.example:443",
    SIGNOZ_INGESTION_KEY: "signoz-secret-of-the-delivery",
    STACK_PROJECT: project,
  };
  builtCollector(chosen);
  const given = readSettings({ environment: "dev", root, processEnvironment: chosen });
  const images = await chooseImages(given, imageSettings(given), context);
  await assertFailover(given, prepareStack(given, { release: "000001", images: images.bySetting }));
});

test("where files are the only sink there is nothing to take away, and that is said", async () => {
  const chosen = { ...exampleSecrets, ...ports, STACK_PROJECT: project };
  const given = readSettings({ environment: "prod", root, processEnvironment: chosen });
  const made = prepareStack(given, { release: "000001" });
  const { outcome, detail } = await checkFailover(given, made, folder, context);
  assert.equal(outcome, "skipped");
  assert.match(detail, /nothing leaves this machine/);
});
