import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "../../scripts/checks/request.ts";
import { workspace, type Ran } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const firstPort = portsOf("localCollector");
const httpPort = firstPort + 3;
const own = workspace("local-collector", firstPort);
const data = join(own.root, ".stack", "dev", "collector");

/** No one listens there: the program has to come out of its image. */
const away = { OTEL_RELEASE_URL: `http://127.0.0.1:${firstPort + 9}`, HOME: own.root };

before(() => assert.ok(statSync(join(own.root, "otel")).isDirectory()));
after(() => own.remove());

/** A collector in the foreground, as a person has it. */
function start(more: Readonly<Record<string, string>> = {}) {
  const child = spawn(
    process.execPath,
    ["--import", "./scripts/commands/start.mjs", "scripts/commands/collector.ts", "--yes"],
    {
      cwd: own.root,
      env: { ...process.env, ...own.environment, ...away, ...more, npm_lifecycle_event: "" },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ran>((resolve) =>
    child.once("close", (code) => resolve({ code, stdout, stderr })),
  );
  const reported = async (what: RegExp, times = 1) => {
    const all = new RegExp(what.source, "g");
    while ((stderr.match(all) ?? []).length < times) {
      assert.equal(child.exitCode, null, stderr);
      await sleep(50);
    }
  };
  return {
    reported,
    ended,
    stop: (signal: NodeJS.Signals) => child.kill(signal),
    said: () => stderr,
  };
}

async function send(traceId: string): Promise<void> {
  const span = {
    traceId,
    spanId: "00f067aa0ba902b7",
    name: "local",
    kind: 1,
    startTimeUnixNano: "1",
    endTimeUnixNano: "2",
  };
  const { status } = await request(`http://127.0.0.1:${httpPort}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] }),
  });
  assert.equal(status, 200);
}

const traces = () => readFileSync(join(data, "traces.json"), "utf8");

test("it comes out of its image, takes a span, and loses none of it when it is asked to end", async () => {
  const running = start();
  await running.reported(/takes telemetry, profile file/);
  assert.match(running.said(), /cannot be downloaded here \(ECONNREFUSED\)/);
  const id = "4bf92f3577b34da6a3ce929d0e0e4736";
  await send(id);
  running.stop("SIGTERM"); // at once: the span waits for its batch
  const { code, stdout, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^collector [\d.]+: stopped\n$/);
  assert.match(traces(), new RegExp(id));
  const device = /device id\s+([0-9a-f]{16})/.exec(stderr)?.[1];
  assert.match(traces(), new RegExp(`"device.id","value":{"stringValue":"${device}"`));
  assert.equal(statSync(join(data, "config.yaml")).mode & 0o777, 0o600);
});

test("killed, it is started again; a second one alongside it is refused; Ctrl-C ends it", async () => {
  const running = start();
  await running.reported(/takes telemetry/);
  assert.doesNotMatch(running.said(), /copy otelcol-contrib/, "it was there already");
  const second = await own.run("collector", [], away);
  assert.equal(second.code, 6, second.stderr);
  const program = readdirSync(join(own.root, ".stack", "bin")).find(
    (one) => !one.endsWith(".json"),
  )!;
  const pids = readdirSync("/proc").filter((pid) => commandOf(pid).endsWith(program));
  assert.equal(pids.length, 1);
  process.kill(Number(pids[0]), "SIGKILL");
  await running.reported(/takes telemetry/, 2);
  const id = "0af7651916cd43dd8448eb211c80319c";
  await send(id);
  running.stop("SIGINT");
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /crashed \(ended by SIGKILL\): again in 1 s/);
  assert.match(traces(), new RegExp(id));
});

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] ?? "";
  } catch {
    return ""; // no process, or it has ended
  }
}

test("a configuration that only the collector knows to be wrong is refused before it listens", async () => {
  const fragment = join(own.root, "otel", "base.yaml");
  const whole = readFileSync(fragment, "utf8");
  writeFileSync(fragment, whole.replace("check_interval: 1s", "check_interval: often"));
  const { code, stderr } = await start().ended;
  writeFileSync(fragment, whole);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /the collector refuses its configuration\n.*often/s);
  assert.doesNotMatch(stderr, /Everything is ready|takes telemetry/);
});

test("a port that someone has is refused with its holder", async () => {
  const server = createServer().listen(httpPort, "127.0.0.1");
  try {
    const { code, stderr } = await start().ended;
    assert.equal(code, 3, stderr);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${httpPort} \\(OTEL_HTTP_PORT\\): held by `));
  } finally {
    server.close();
  }
});

test("what is not understood is refused before anything is done", async () => {
  const { code } = await own.run("collector", ["begin"], away);
  assert.equal(code, 2);
});

test("without a release and without an engine it says so, with the next command", async () => {
  const { code, stdout } = await own.run("collector", ["install", "--json"], {
    ...away,
    OTEL_VERSION: "0.161.0",
    DOCKER_HOST: "unix:///missing/listens.sock",
  });
  const reported = JSON.parse(stdout) as { code: string; exit: number; next: string };
  assert.deepEqual([code, reported.code, reported.exit], [3, "IMAGE_UNAVAILABLE", 3]);
  assert.match(reported.next, /OTEL_RELEASE_URL/);
});
