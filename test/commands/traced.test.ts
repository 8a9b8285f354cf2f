import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { redaction } from "../../scripts/common/redaction.ts";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import type { Terminal } from "../../scripts/commands/terminal.ts";
import type { Ending } from "../../scripts/commands/traceCommand.ts";
import { traced } from "../../scripts/commands/traced.ts";
import { exampleSecrets, root } from "../stack/exampleStack.ts";
import { otlpReceiver, type ReceivedSpan } from "./otlpReceiver.ts";

const secret = exampleSecrets["LETTA_PG_PASSWORD"]!;
const began = Date.parse("2026-01-02T03:04:05.000Z");

/** A deploy of staging on a terminal that no one sees, and on a clock of its own. */
function begun() {
  const interrupted = new AbortController();
  const terminal: Terminal = {
    steps: [],
    signal: interrupted.signal,
    hides: () => undefined,
    note: () => undefined,
    confirm: async () => undefined,
    async step(_name, work, outcome) {
      const result = await work(() => undefined);
      outcome?.(result);
      return result;
    },
  };
  let seconds = 0;
  const recorder = traced(terminal, "deploy", () => began + 1000 * seconds++);
  return { ...recorder, interrupt: () => interrupted.abort() };
}

/** How that deploy ended, with what it sends going to `endpoint`. */
function ending(endpoint: string, more: Partial<Ending> = {}): Ending {
  const settings = readSettings({
    environment: "staging",
    root,
    processEnvironment: { ...exampleSecrets, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint },
    mayMiss: true,
  });
  return {
    input: {
      environment: "staging",
      arguments: ["0.16.8"],
      options: { reason: `because ${secret}`, wait: true, env: "staging" },
      fromEnv: [],
      yes: true,
      json: false,
      dryRun: false,
      verbose: false,
      root,
    },
    settings,
    exit: 0,
    hide: redaction(settings.sensitive()),
    ...more,
  };
}

// Whatever runs these tests may itself be traced.
for (const name of ["TRACEPARENT", "TRACESTATE", "OTEL_SDK_DISABLED"]) delete process.env[name];

const nothing = async () => undefined;
const named = (spans: readonly ReceivedSpan[], name: string) =>
  spans.find((one) => one.name === name)!;

/** Sets a variable for the length of a test. */
function setting(t: TestContext, name: string, value: string) {
  const before = process.env[name];
  process.env[name] = value;
  t.after(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

test("a command and its steps are one trace, with the times they had", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  await terminal.step("dump", nothing);
  await terminal.step(
    "migrate",
    async () => 3,
    (count) => `${count} migrations`,
  );
  const result = { release: "000004", from: "000003" };
  const trace = await end(ending(receiver.endpoint, { result }));
  assert.equal(await trace!.send(), undefined);
  assert.deepEqual(receiver.paths, ["/v1/traces"]);
  const { spans } = receiver;
  assert.deepEqual(spans.map((one) => one.name).sort(), ["deploy", "dump", "migrate"]);
  const command = named(spans, "deploy");
  assert.equal(command.parent, "");
  for (const one of spans) assert.equal(one.trace, trace!.id);
  for (const name of ["dump", "migrate"]) assert.equal(named(spans, name).parent, command.id);
  const seconds = ({ begun: from, ended }: ReceivedSpan) =>
    [from, ended].map((ms) => (ms - began) / 1000);
  assert.deepEqual(
    ["dump", "migrate", "deploy"].map((name) => seconds(named(spans, name))),
    [
      [1, 2],
      [3, 4],
      [0, 5],
    ],
  );
});

test("a command says what it was and what it came to", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  await terminal.step(
    "dump",
    async () => 7,
    (megabytes) => `${megabytes} MB`,
  );
  const result = { release: "000004", from: "000003" };
  await (await end(ending(receiver.endpoint, { result })))!.send();
  const { attributes, resource, status } = named(receiver.spans, "deploy");
  assert.equal(resource["service.name"], "letta-stack");
  assert.match(String(resource["service.version"]), /^\d+\.\d+\.\d+$/);
  assert.deepEqual(attributes, {
    "sampling.priority": 1,
    "letta_stack.command": "deploy",
    "letta_stack.environment": "staging",
    "letta_stack.project": "letta-staging",
    "letta_stack.release": "000004",
    "letta_stack.from": "000003",
    "letta_stack.outcome": "done",
    "letta_stack.exit_code": 0,
    "letta_stack.parameter.arguments": "0.16.8",
    "letta_stack.parameter.reason": "because ••••••",
    "letta_stack.parameter.wait": true,
  });
  assert.equal(status, 0);
  assert.deepEqual(named(receiver.spans, "dump").attributes, {
    "sampling.priority": 1,
    "letta_stack.outcome": "done",
    "letta_stack.detail": "7 MB",
  });
});

test("a step within a step hangs below it, also where two go on at once", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  const branch = (name: string, ms: number) =>
    terminal.step(name, async () => {
      await sleep(ms);
      await terminal.step(`within ${name}`, () => sleep(ms));
    });
  await Promise.all([branch("left", 20), branch("right", 5)]);
  await (await end(ending(receiver.endpoint)))!.send();
  for (const name of ["left", "right"]) {
    assert.equal(named(receiver.spans, `within ${name}`).parent, named(receiver.spans, name).id);
  }
});

test("a step's parameters go with it, guarded, and one that cannot be shown fails nothing", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  const parameters = { services: ["server", secret], password: "x", count: 2, list: [12n] };
  assert.equal(await terminal.step("create", async () => 7, undefined, parameters), 7);
  await (await end(ending(receiver.endpoint)))!.send();
  const { attributes } = named(receiver.spans, "create");
  assert.deepEqual(
    Object.entries(attributes).filter(([name]) => name.includes("parameter")),
    [
      ["letta_stack.parameter.services", '["server","••••••"]'],
      ["letta_stack.parameter.count", 2],
      ["letta_stack.parameter.list", "<cannot be serialised>"],
    ],
  );
});

test("a failure is an event on its step and on the command, by its code, and it is thrown as it was", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  const error = new Problem("REHEARSAL_FAILED", `no way with ${secret}`, { details: ["bulk"] });
  const run = terminal.step("rehearse", () => Promise.reject(error));
  await assert.rejects(run, (thrown) => thrown === error);
  await (await end(ending(receiver.endpoint, { error, exit: 3 })))!.send();
  for (const name of ["rehearse", "deploy"]) {
    const { attributes, events, status, message } = named(receiver.spans, name);
    assert.equal(attributes["letta_stack.outcome"], "failed");
    assert.equal(attributes["error.type"], "REHEARSAL_FAILED");
    assert.deepEqual([status, message], [2, "no way with ••••••"]);
    assert.deepEqual(events, [
      {
        name: "exception",
        attributes: {
          "exception.type": "REHEARSAL_FAILED",
          "exception.message": "no way with ••••••",
        },
      },
    ]);
  }
  assert.equal(named(receiver.spans, "deploy").attributes["letta_stack.exit_code"], 3);
});

test("a bug is an event with the place where it was", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  const error = new TypeError("it is not a function");
  await terminal.step("dump", () => Promise.reject(error)).catch(nothing);
  await (await end(ending(receiver.endpoint, { error, exit: 2 })))!.send();
  const [event] = named(receiver.spans, "dump").events;
  assert.equal(event?.attributes["exception.type"], "TypeError");
  assert.match(String(event?.attributes["exception.stacktrace"]), /traced\.test\.ts/);
});

test("a failure that was caught leaves the command good", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  await terminal.step("try", () => Promise.reject(new Error("no"))).catch(nothing);
  await (await end(ending(receiver.endpoint)))!.send();
  assert.equal(named(receiver.spans, "try").attributes["letta_stack.outcome"], "failed");
  const { attributes, events } = named(receiver.spans, "deploy");
  assert.deepEqual([attributes["letta_stack.outcome"], events], ["done", []]);
});

test("Ctrl-C makes the command and the step it met cancelled, and what is undone after it is not", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end, interrupt } = begun();
  const waiting = terminal.step("wait", () =>
    sleep(10_000, undefined, { signal: terminal.signal }),
  );
  interrupt();
  await assert.rejects(waiting);
  await terminal.step("undo", nothing);
  const error = new Problem("INTERRUPTED", "interrupted: nothing runs");
  await (await end(ending(receiver.endpoint, { error, exit: 5 })))!.send();
  const outcomes = receiver.spans.map((one) => [one.name, one.attributes["letta_stack.outcome"]]);
  assert.deepEqual(Object.fromEntries(outcomes), {
    wait: "cancelled",
    undo: "done",
    deploy: "cancelled",
  });
});

test("a step that had not ended when the command did ends with it, unfinished", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  void terminal.step("forgotten", () => sleep(60_000, undefined, { ref: false }));
  await (await end(ending(receiver.endpoint)))!.send();
  const { attributes, ended } = named(receiver.spans, "forgotten");
  assert.equal(attributes["letta_stack.outcome"], "unfinished");
  assert.equal(ended, named(receiver.spans, "deploy").ended);
});

test("no secret is in what is sent, wherever it was", async (t) => {
  const receiver = await otlpReceiver(t);
  const { terminal, end } = begun();
  const error = new TypeError(`bug ${secret}`, { cause: new Error(secret) });
  await terminal.step(
    `step ${secret}`,
    async () => secret,
    (text) => text,
    { line: secret },
  );
  await terminal.step("fails", () => Promise.reject(error)).catch(nothing);
  const result = { release: secret };
  await (await end(ending(receiver.endpoint, { error, exit: 1, result })))!.send();
  assert.equal(receiver.spans.length, 3);
  for (const value of Object.values(exampleSecrets)) {
    for (const form of [value, Buffer.from(value).toString("base64")])
      assert.ok(!receiver.bodies[0]!.includes(form), form);
  }
});

test("what no one did is not traced: no step, or a dry run", async (t) => {
  const receiver = await otlpReceiver(t);
  assert.equal(await begun().end(ending(receiver.endpoint)), undefined);
  const { terminal, end } = begun();
  await terminal.step("look", nothing);
  const { input, ...others } = ending(receiver.endpoint);
  assert.equal(await end({ ...others, input: { ...input, dryRun: true } }), undefined);
});

test("a command that did not come to its settings is not traced", async () => {
  const { terminal, end } = begun();
  await terminal.step("look", nothing);
  assert.equal(await end({ ...ending("http://127.0.0.1:9"), settings: undefined }), undefined);
});

test("the span that TRACEPARENT names is above the command's, and its state goes on", async (t) => {
  const receiver = await otlpReceiver(t);
  setting(t, "TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  setting(t, "TRACESTATE", "vendor=1");
  const { terminal, end } = begun();
  await terminal.step("dump", nothing);
  const trace = await end(ending(receiver.endpoint));
  await trace!.send();
  assert.equal(trace!.id, "0af7651916cd43dd8448eb211c80319c");
  const command = named(receiver.spans, "deploy");
  assert.deepEqual([command.parent, command.state], ["b7ad6b7169203331", "vendor=1"]);
  assert.equal(named(receiver.spans, "dump").parent, command.id);
});

test("below a span that is not sampled there is no trace", async (t) => {
  const receiver = await otlpReceiver(t);
  setting(t, "TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  const { terminal, end } = begun();
  await terminal.step("dump", nothing);
  assert.equal(await end(ending(receiver.endpoint)), undefined);
});

for (const value of ["nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01"]) {
  test(`TRACEPARENT=${value} begins a trace of its own`, async (t) => {
    const receiver = await otlpReceiver(t);
    setting(t, "TRACEPARENT", value);
    const { terminal, end } = begun();
    await terminal.step("dump", nothing);
    await (await end(ending(receiver.endpoint)))!.send();
    assert.equal(named(receiver.spans, "deploy").parent, "");
  });
}

test("OTEL_SDK_DISABLED turns it off", async (t) => {
  setting(t, "OTEL_SDK_DISABLED", "true");
  const { terminal, end } = begun();
  await terminal.step("dump", nothing);
  assert.equal(await end(ending("http://127.0.0.1:9")), undefined);
});

test("without an endpoint of its own it goes to the environment's collector", async () => {
  const { terminal, end } = begun();
  await terminal.step("dump", nothing);
  const reported = ending("");
  const trace = await end(reported);
  assert.equal(trace!.target, `127.0.0.1:${reported.settings!.get("OTEL_HTTP_PORT")}`);
});
