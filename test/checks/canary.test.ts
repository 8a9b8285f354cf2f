import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import {
  canary,
  sendOverGrpc,
  sendOverHttp,
  sendSpansOverHttp,
} from "../../scripts/checks/canary.ts";
import { collectorClient } from "../../scripts/checks/collectorClient.ts";
import type { Engine } from "../../scripts/docker/engine.ts";

const id = "0123456789abcdef";
const nowMs = 1_767_323_045_006;

/** A collector's HTTP endpoint that notes what it takes, and answers with a status. */
async function httpCollector(status: number) {
  const taken: { path: string; body: unknown }[] = [];
  const server = createServer(async (asked, reply) => {
    taken.push({
      path: asked.url ?? "",
      body: JSON.parse(Buffer.concat(await asked.toArray()).toString()),
    });
    reply.writeHead(status).end("its words");
  }).listen(0, "127.0.0.1");
  after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    taken,
    client: collectorClient("collector", new Map([[4318, port]]), undefined, noEngine),
  };
}

const noEngine = {} as Engine;

/** A port that no one listens on any more. */
async function closedPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return { port };
}

/** A collector's gRPC endpoint that notes the bytes it takes. */
async function grpcCollector() {
  const taken: Buffer[] = [];
  const server = new Server();
  const bytes = (value: Buffer) => value;
  server.addService(
    {
      Export: {
        path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        requestStream: false,
        responseStream: false,
        requestSerialize: bytes,
        requestDeserialize: bytes,
        responseSerialize: bytes,
        responseDeserialize: bytes,
      },
    },
    {
      Export: (call: { request: Buffer }, reply: (error: null, value: Buffer) => void) => {
        taken.push(call.request);
        reply(null, Buffer.alloc(0));
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  after(() => server.forceShutdown());
  return { taken, port };
}

test("a canary's names are valid and carry its id", () => {
  const { trace, metric, log } = canary(id);
  assert.match(trace, /^[0-9a-f]{32}$/);
  for (const name of [trace, metric, log]) assert.ok(name.includes(id));
});

test("metric and log are posted as OTLP under the canary's names", async () => {
  const { taken, client } = await httpCollector(200);
  await sendOverHttp(client, canary(id), nowMs);
  assert.deepEqual(
    taken.map((one) => one.path),
    ["/v1/metrics", "/v1/logs"],
  );
  const [metrics, logs] = taken.map((one) => JSON.stringify(one.body));
  assert.match(metrics!, new RegExp(`"name":"canary_${id}"`));
  assert.match(logs!, new RegExp(`"stringValue":"canary log ${id}"`));
  for (const text of [metrics!, logs!])
    assert.match(text, new RegExp(`"timeUnixNano":"${nowMs}000000"`));
});

test("a collector that refuses is a failure with its own words", async () => {
  const { client } = await httpCollector(503);
  await assert.rejects(
    sendOverHttp(client, canary(id), nowMs),
    /\/v1\/metrics answered 503: its words/,
  );
});

test("a span is exported over gRPC with the canary's trace id and time", async () => {
  const { taken, port } = await grpcCollector();
  await sendOverGrpc(port, canary(id), nowMs);
  assert.equal(taken.length, 1);
  const time = Buffer.alloc(8);
  time.writeBigUInt64LE(BigInt(nowMs) * 1_000_000n);
  // Field 1 of a span is its trace id, fields 7 and 8 are fixed64 times.
  const traceId = Buffer.concat([Buffer.from([0x0a, 16]), Buffer.from(canary(id).trace, "hex")]);
  assert.ok(taken[0]!.includes(traceId));
  assert.ok(taken[0]!.includes(Buffer.concat([Buffer.from([0x39]), time])));
  assert.ok(taken[0]!.includes("letta-stack-canary"));
});

test("a span says as a whole number that sampling is to spare it, over gRPC and over HTTP", async () => {
  const [grpc, http] = [await grpcCollector(), await httpCollector(200)];
  await sendOverGrpc(grpc.port, canary(id), nowMs);
  const spared = Buffer.from("sampling.priority");
  // A KeyValue: its key, and an AnyValue of two bytes, field 3 of which is an int64.
  assert.ok(grpc.taken[0]!.includes(Buffer.concat([spared, Buffer.from([0x12, 2, 0x18, 1])])));
  await sendSpansOverHttp(http.client, canary(id).trace, ["00000000000000aa"], nowMs);
  const said = JSON.stringify(http.taken[0]);
  assert.match(said, /"path":"\/v1\/traces"/);
  assert.match(said, /{"key":"sampling.priority","value":{"intValue":"1"}}/);
  assert.match(said, new RegExp(`"traceId":"${canary(id).trace}","spanId":"00000000000000aa"`));
});

test("an endpoint where nothing listens is a failure at once", async () => {
  const { port } = await closedPort();
  // At the deadline it would be DEADLINE_EXCEEDED.
  await assert.rejects(sendOverGrpc(port, canary(id), nowMs), /UNAVAILABLE/);
});
