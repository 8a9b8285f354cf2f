import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { exampleSecrets, root } from "../stack/exampleStack.ts";
import { otlpReceiver } from "./otlpReceiver.ts";

/** No one listens there: it is reserved for a service that no machine offers. */
const unreachable = "http://127.0.0.1:9";

/** Runs the fake server as npm runs an entry; what it sends goes to `endpoint`. */
async function run(endpoint: string, ...words: readonly string[]) {
  const child = spawn(
    process.execPath,
    [
      "--import",
      "./scripts/commands/start.mjs",
      "test/commands/tracedEntry.ts",
      "dev",
      "--reason",
      ...words,
    ],
    {
      cwd: root,
      env: {
        PATH: process.env["PATH"],
        HOME: "/nowhere",
        ...exampleSecrets,
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      },
      // The command takes a first SIGTERM for a wish to end well.
      timeout: 20_000,
      killSignal: "SIGKILL",
    },
  );
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const status = await new Promise((resolve) => child.once("close", resolve));
  return { status, stdout, stderr };
}

const object = (stdout: string) => JSON.parse(stdout) as Record<string, unknown>;

test("a command's trace arrives, and --json names it", async (t) => {
  const receiver = await otlpReceiver(t);
  const { status, stdout } = await run(receiver.endpoint, "works", "--json");
  assert.equal(status, 0);
  const { trace, release } = object(stdout);
  assert.equal(release, "000002");
  assert.match(String(trace), /^[0-9a-f]{32}$/);
  assert.deepEqual(
    receiver.spans.map((one) => [one.trace, one.name]),
    [
      [trace, "one"],
      [trace, "deploy"],
    ],
  );
});

test("a trace is mentioned only with --verbose", async (t) => {
  const receiver = await otlpReceiver(t);
  const short = await run(receiver.endpoint, "works");
  assert.ok(!`${short.stdout}${short.stderr}`.includes("trace"));
  const long = await run(receiver.endpoint, "works", "--verbose");
  const host = new URL(receiver.endpoint).host;
  assert.ok(long.stderr.endsWith(`trace ${receiver.spans.at(-1)!.trace} sent to ${host}\n`));
  assert.equal(long.stdout, short.stdout);
});

test("a command that fails is traced, with its exit code", async (t) => {
  const receiver = await otlpReceiver(t);
  const { status, stdout } = await run(receiver.endpoint, "fails", "--json");
  assert.equal(status, 3);
  const command = receiver.spans.find((one) => one.name === "deploy")!;
  assert.equal(object(stdout)["trace"], command.trace);
  const { attributes } = command;
  assert.deepEqual(
    [attributes["error.type"], attributes["letta_stack.exit_code"]],
    ["REHEARSAL_FAILED", 3],
  );
});

test("a command that was interrupted is traced as cancelled", async (t) => {
  const receiver = await otlpReceiver(t);
  const { status } = await run(receiver.endpoint, "waits");
  assert.equal(status, 3);
  const outcomes = receiver.spans.map((one) => [one.name, one.attributes["letta_stack.outcome"]]);
  assert.deepEqual(Object.fromEntries(outcomes), {
    one: "done",
    two: "cancelled",
    deploy: "cancelled",
  });
});

test("a command that found nothing to do sends nothing, and names no trace", async (t) => {
  const receiver = await otlpReceiver(t);
  const { status, stdout } = await run(receiver.endpoint, "rests", "--json");
  assert.equal(status, 0);
  assert.ok(!("trace" in object(stdout)));
  assert.equal(receiver.bodies.length, 0);
});

/** What a run says, without what is another one each time. */
function lasting({ status, stdout, stderr }: Awaited<ReturnType<typeof run>>) {
  const { seconds, trace, ...others } = object(stdout);
  return { status, stderr, others, types: [typeof seconds, typeof trace] };
}

for (const manner of ["works", "fails"]) {
  test(`no one at the endpoint, or one that hangs, changes nothing for one that ${manner}`, async (t) => {
    const receiver = await otlpReceiver(t);
    const expected = lasting(await run(receiver.endpoint, manner, "--json"));
    assert.deepEqual(lasting(await run(unreachable, manner, "--json")), expected);
    const hanging = await otlpReceiver(t, () => undefined);
    assert.deepEqual(lasting(await run(hanging.endpoint, manner, "--json")), expected);
    assert.equal(hanging.bodies.length, 1, "it was not even asked");
  });
}

test("with --verbose it is shown why a trace was not sent, and the result is the same", async () => {
  const { status, stdout, stderr } = await run(unreachable, "works", "--verbose");
  assert.deepEqual([status, stdout], [0, "release 000002\n"]);
  assert.match(stderr, /^trace [0-9a-f]{32} not sent to 127\.0\.0\.1:9: .*ECONNREFUSED/m);
});

test("a socket that an endpoint keeps busy without end does not keep the command", async (t) => {
  const dripping = await otlpReceiver(t, (_, answered) => {
    answered.writeHead(200);
    const timer = setInterval(() => answered.write("."), 50);
    t.after(() => clearInterval(timer));
  });
  const { status, stdout } = await run(dripping.endpoint, "works", "--json");
  assert.deepEqual([status, object(stdout)["ok"]], [0, true]);
});
