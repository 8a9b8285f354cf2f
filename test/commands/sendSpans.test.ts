import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import { test } from "node:test";
import {
  TracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace";
import { sendSpans } from "../../scripts/commands/traceCommand.ts";
import { otlpReceiver } from "./otlpReceiver.ts";

function oneSpan() {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  provider.getTracer("test").startSpan("one").end();
  return exporter.getFinishedSpans();
}

/** Far above the second that is promised, far below what hanging would be. */
const generousMs = 5000;

test("what an endpoint takes is sent, whether its address ends with a slash or not", async (t) => {
  const receiver = await otlpReceiver(t);
  assert.equal(await sendSpans(oneSpan(), receiver.endpoint), undefined);
  assert.equal(await sendSpans(oneSpan(), `${receiver.endpoint}/`), undefined);
  assert.equal(await sendSpans(oneSpan(), `${receiver.endpoint}/otlp`), undefined);
  assert.deepEqual(receiver.paths, ["/v1/traces", "/v1/traces", "/otlp/v1/traces"]);
});

test("no one at the endpoint is reported, and not tried again", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const fault = await sendSpans(oneSpan(), `http://127.0.0.1:${port}`);
  assert.match(fault ?? "", /ECONNREFUSED/);
});

test("a refusal is reported", async (t) => {
  for (const status of [401, 404, 500]) {
    const receiver = await otlpReceiver(t, (_, answered) => void answered.writeHead(status).end());
    assert.ok(await sendSpans(oneSpan(), receiver.endpoint), String(status));
    assert.equal(receiver.bodies.length, 1);
  }
});

test("an endpoint that says to come back later is not waited for", async (t) => {
  const receiver = await otlpReceiver(
    t,
    (_, answered) => void answered.writeHead(503, { "retry-after": "60" }).end(),
  );
  const started = performance.now();
  assert.ok(await sendSpans(oneSpan(), receiver.endpoint));
  assert.ok(performance.now() - started < generousMs);
});

test("an endpoint that never answers is given up", async (t) => {
  const receiver = await otlpReceiver(t, () => undefined);
  const started = performance.now();
  assert.match((await sendSpans(oneSpan(), receiver.endpoint)) ?? "", /timed out|no answer/);
  assert.ok(performance.now() - started < generousMs);
  assert.equal(receiver.bodies.length, 1);
});

test("an endpoint that answers by a byte at a time is given up", async (t) => {
  const receiver = await otlpReceiver(t, (_, answered) => {
    answered.writeHead(200);
    const dripping = setInterval(() => answered.write("."), 100);
    t.after(() => clearInterval(dripping));
  });
  const started = performance.now();
  assert.match((await sendSpans(oneSpan(), receiver.endpoint)) ?? "", /no answer/);
  assert.ok(performance.now() - started < generousMs);
});

test("an endpoint that takes no bytes is given up", async (t) => {
  const server = createServer((socket) => void socket.pause());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  server.unref();
  t.after(() => server.close());
  const started = performance.now();
  assert.ok(await sendSpans(oneSpan(), `http://127.0.0.1:${port}`));
  assert.ok(performance.now() - started < generousMs);
});

test("an endpoint that is none is reported, and nothing is thrown", async () => {
  for (const base of ["", "127.0.0.1:4318", "ftp://127.0.0.1", "http://no host"]) {
    assert.ok(await sendSpans(oneSpan(), base), base);
  }
});
