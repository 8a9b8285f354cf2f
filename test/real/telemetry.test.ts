// The telemetry of a whole stack as its users meet it: ClickHouse as a service, the real server,
// an agent's trace found again, another retention, another version of the collector and back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import { askClickHouse } from "../../scripts/checks/askClickHouse.ts";
import { request } from "../../scripts/checks/request.ts";
import { containerIds, docker, workspace } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const place = workspace("telemetry", portsOf("telemetry"));
const port = String(portsOf("telemetry") + 10);
const bundled = { CLICKHOUSE_MODE: "bundled", CLICKHOUSE_PUBLISH_PORT: port };
const server = `http://127.0.0.1:${place.environment["PORT"]}`;
before(async () => {
  await up();
});
after(() => place.remove());

async function up(more: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const ran = await place.run("up", ["dev", "--yes", "--json"], { ...bundled, ...more });
  assert.equal(ran.code, 0, ran.stdout);
  const { steps } = JSON.parse(ran.stdout) as { steps: { name: string }[] };
  return steps.map((one) => one.name);
}

async function tell<Said>(entry: string, args: readonly string[]): Promise<Said> {
  const ran = await place.run(entry, [...args, "--json"], bundled);
  assert.equal(ran.code, 0, ran.stdout);
  return JSON.parse(ran.stdout) as Said;
}

/** One query as the user that reads. */
async function ask(query: string): Promise<string> {
  const file = "env/dev.secrets.env";
  const { assignments } = parseEnvFile(readFileSync(join(place.root, file)), file);
  const password = assignments.find((one) => one.name === "CLICKHOUSE_READER_PASSWORD")!.value;
  const url = `http://127.0.0.1:${port}`;
  const reader = {
    url,
    user: "otel_reader",
    password,
    caCertificate: undefined,
    connect: undefined,
  };
  const { text, fault } = await askClickHouse(reader, "otel", query, {});
  assert.equal(fault, 0, text);
  return text;
}

async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await look()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(`${what} did not come`);
}

interface Traces {
  readonly spans: readonly { trace: string; name: string }[];
  readonly logs: readonly { body: string }[];
}

const agent = {
  name: "traced",
  model: "letta/letta-free",
  embedding: "letta/letta-free",
  memory_blocks: [{ label: "human", value: "x" }],
};

test("with ClickHouse as a service the stack comes up, every exporter and signal verified", async () => {
  const { checks } = await tell<{ checks: { name: string; outcome: string }[] }>("verify", ["dev"]);
  const passed = checks.filter((one) => one.outcome === "passed").map((one) => one.name);
  for (const name of ["clickhouse traces", "clickhouse metrics", "clickhouse logs", "file logs"])
    assert.ok(passed.includes(name), `${name} in ${passed.join(", ")}`);
  for (const name of [
    "exporters sending",
    "health endpoint",
    "memory within limit",
    "batch processing",
  ])
    assert.ok(passed.includes(name), name);
});

test("a call's trace is found by the command the summary names, with its log lines", async () => {
  const made = await request(`${server}/v1/agents/`, {
    method: "POST",
    body: JSON.stringify(agent),
  });
  const { id } = JSON.parse(made.body) as { id: string };
  let found: Traces = { spans: [], logs: [] };
  await until("the trace", async () => {
    found = await tell<Traces>("traces", ["dev", "--agent", id]);
    return found.spans.length > 0;
  });
  const [root] = found.spans;
  assert.equal(root!.name, "POST /v1/agents/");
  await until("its log lines", async () => {
    found = await tell<Traces>("traces", ["dev", root!.trace]);
    return found.logs.length > 0;
  });
  assert.ok(found.spans.length > 5, "the spans below it");
  assert.ok(found.logs.some((one) => one.body.includes("POST /v1/agents/")));
});

/** How long the server takes for a read of its database, asked for some seconds on end. */
async function medianMs(): Promise<number> {
  const took: number[] = [];
  const until = performance.now() + 4000;
  while (performance.now() < until) {
    const at = performance.now();
    const { status } = await request(`${server}/v1/agents/`);
    assert.equal(status, 200);
    took.push(performance.now() - at);
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length / 2)]!;
}

test("with its collector killed the server answers, and as fast as before", async () => {
  const { collector } = containerIds(place.project);
  const before = await medianMs();
  docker("kill", collector!);
  const without = await medianMs();
  docker("start", collector!);
  const seen = `${before.toFixed(0)} ms with it, ${without.toFixed(0)} ms without`;
  assert.ok(without < 2 * before + 50, seen);
});

test("another retention reaches the tables that are there", async () => {
  const steps = await up({ CLICKHOUSE_TTL: "48h" });
  assert.ok(steps.includes("update telemetry tables"), steps.join(", "));
  const limits = await ask(
    "SELECT DISTINCT extract(create_table_query, 'toInterval\\\\w+\\\\(\\\\d+\\\\)') FROM system.tables WHERE database = 'otel' AND engine = 'MergeTree'",
  );
  assert.equal(limits, "toIntervalSecond(172800)");
});

test("the newest collector and back: every log line once, the tables fit both", async () => {
  const counted = async () => {
    const [rows, different] = (
      await ask(
        "SELECT count(), count(DISTINCT (Timestamp, Body)) FROM otel_logs WHERE LogAttributes['log.file.name'] != ''",
      )
    ).split("\t");
    assert.equal(rows, different, "a line was read twice");
    return Number(rows);
  };
  let before = await counted();
  for (const version of ["0.161.0", "0.96.0"]) {
    const steps = await up({ OTEL_VERSION: version });
    assert.ok(steps.includes("drain collector queue"), steps.join(", "));
    await request(`${server}/v1/agents/`, {});
    await until("new log lines", async () => (await counted()) > before);
    before = await counted();
  }
});

test("a damaged queue file is moved aside, said to be lost, and the stack comes up", async () => {
  const { collector, permissions } = containerIds(place.project);
  const probe = docker("inspect", "-f", "{{.Image}}", permissions!);
  docker("stop", collector!);
  const damage = "echo no database > /t/queue/exporter_clickhouse__traces";
  const volume = `${place.project}_telemetry:/t`;
  docker("run", "--rm", "-v", volume, probe, "/bin/busybox", "sh", "-c", damage);
  const ran = await place.run("up", ["dev", "--yes"], bundled);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /exporter_clickhouse__traces of its queue is unreadable and was moved/);
  assert.match(ran.stderr, /telemetry is lost/);
});

test("two collectors behind one name are each verified", async () => {
  await up({ COLLECTOR_REPLICAS: "2" });
  const ran = await place.run("verify", ["dev", "--json"], { ...bundled, COLLECTOR_REPLICAS: "2" });
  const { checks } = JSON.parse(ran.stdout) as { checks: { name: string; outcome: string }[] };
  const second = checks.filter((one) => one.name.startsWith("collector-2 "));
  assert.ok(second.length >= 4);
  assert.deepEqual(
    second.filter((one) => one.outcome !== "passed"),
    [],
  );
});
