import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { request } from "../../scripts/checks/request.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";

const servers: Server[] = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on a port of its own that answers like this. */
async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

test("a reply comes back with its status and its whole body", async () => {
  const url = await serve((_asked, reply) => {
    const bytes = Buffer.from("naïve");
    reply.writeHead(201).write(bytes.subarray(0, 3));
    reply.end(bytes.subarray(3));
  });
  assert.deepEqual(await request(url), { status: 201, body: "naïve" });
});

test("an error of the server is a reply, not a failure", async () => {
  const url = await serve((_asked, reply) => void reply.writeHead(503).end());
  assert.equal((await request(url)).status, 503);
});

test("method, headers and body arrive as they were given", async () => {
  const url = await serve(async (asked, reply) => {
    const chunks = await asked.toArray();
    reply.end(`${asked.method} ${asked.headers["x-a"]} ${Buffer.concat(chunks).toString()}`);
  });
  const reply = await request(url, { method: "POST", headers: { "x-a": "b" }, body: "c" });
  assert.equal(reply.body, "POST b c");
});

test("where no one listens the failure names the address", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await assert.rejects(
    request(`http://127.0.0.1:${port}/`),
    new RegExp(`127.0.0.1:${port}.*ECONNREFUSED`),
  );
});

test("a server that says nothing is given up in time", async () => {
  const url = await serve(() => undefined);
  await assert.rejects(request(url, { timeoutMs: 50 }), /127\.0\.0\.1/);
});

test("a server that stops in the middle of its body is given up in time", async () => {
  const url = await serve((_asked, reply) => void reply.write("half"));
  await assert.rejects(request(url, { timeoutMs: 50 }));
});

test("a connection that breaks in the middle of the body is a failure, not half a reply", async () => {
  const url = await serve((_asked, reply) => {
    reply.writeHead(200, { "content-length": "100" }).write("half", () => reply.destroy());
  });
  await assert.rejects(request(url));
});

test("a server elsewhere is believed only under an authority that is known or given", async () => {
  const folder = mkdtempSync(join(tmpdir(), "request-"));
  const made = certificateAuthority(folder, "localhost");
  const { key, certificate: cert } = made;
  const server = createTlsServer({ key, cert }, (_asked, reply) => void reply.end("its words"));
  server.listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const url = (host: string) => `https://${host}:${(server.address() as AddressInfo).port}/`;
  const elsewhere = { caCertificate: readFileSync(made.caFile, "utf8") };
  rmSync(folder, { recursive: true });
  assert.equal((await request(url("localhost"), { elsewhere })).body, "its words");
  const unknown = { elsewhere: { caCertificate: undefined } };
  await assert.rejects(request(url("localhost"), unknown), /unable to verify/);
  await assert.rejects(request(url("127.0.0.1"), { elsewhere }), /does not match|IP/);
});

test("a server asked by name hears that name, at whatever address it is asked", async () => {
  const url = await serve((asked, reply) => void reply.end(asked.headers.host));
  const reply = await request(url, { serverName: "letta.example" });
  assert.equal(reply.body, "letta.example");
});
