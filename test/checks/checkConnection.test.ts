import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import {
  addressOf,
  checkConnection,
  explainConnection,
  reach,
} from "../../scripts/checks/checkConnection.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";

const folder = mkdtempSync(join(tmpdir(), "connection-"));
let ca = "";
let secure: Server;
let plain: Server;

before(async () => {
  const made = certificateAuthority(folder, "localhost");
  ca = readFileSync(made.caFile, "utf8");
  secure = createTlsServer({ key: made.key, cert: made.certificate });
  plain = createServer((socket) => socket.end("this is no TLS\n"));
  for (const server of [secure, plain]) {
    // Who only looks hangs up in the middle.
    server.on("connection", (socket: Socket) => socket.on("error", () => undefined));
    server.on("tlsClientError", () => undefined);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
});
after(() => {
  secure.close();
  plain.close();
  rmSync(folder, { recursive: true });
});

const at = (server: Server, tls: boolean, host = "localhost") => ({
  host,
  port: (server.address() as AddressInfo).port,
  tls,
});

test("an endpoint without a scheme means TLS, as OTLP's exporter has it", () => {
  assert.deepEqual(addressOf("sig:4317"), { host: "sig", port: 4317, tls: true });
  assert.deepEqual(addressOf("http://sig:4317"), { host: "sig", port: 4317, tls: false });
  assert.deepEqual(addressOf("https://ch"), { host: "ch", port: 443, tls: true });
  assert.deepEqual(addressOf("http://[::1]:8123"), { host: "::1", port: 8123, tls: false });
});

test("a server is reached with TLS where its authority is trusted, and without TLS", async () => {
  assert.equal(await reach(at(secure, true), ca, 2000), undefined);
  assert.equal(await reach(at(plain, false), undefined, 2000), undefined);
});

test("why a server is not reached is distinguished", async () => {
  assert.match(
    (await reach(at(secure, true), undefined, 2000))!,
    /^its certificate is signed by no known authority/,
  );
  assert.match(
    (await reach(at(secure, true, "127.0.0.1"), ca, 2000))!,
    /^its certificate is for an/,
  );
  assert.match((await reach(at(plain, true), ca, 2000))!, /^it speaks no TLS/);
  const closed = { host: "127.0.0.1", port: 1, tls: false };
  assert.match((await reach(closed, undefined, 2000))!, /^nothing listens there/);
  const nowhere = { host: "nowhere.invalid", port: 1, tls: false };
  assert.match((await reach(nowhere, undefined, 2000))!, /^there is no host of that name/);
});

test("the error within another one has the cause", () => {
  const inner = Object.assign(new Error("x"), { code: "ETIMEDOUT" });
  assert.match(explainConnection(new Error("outer", { cause: inner })), /^no answer came/);
  assert.equal(explainConnection(new Error("something else")), "something else");
});

test("the collector has to reach a sink; this machine need not", () => {
  const outcome = (here: string | undefined, there: string | undefined | null) =>
    checkConnection("sink", here, there, "go on").outcome;
  assert.equal(outcome(undefined, undefined), "passed");
  assert.equal(outcome("refused", undefined), "passed");
  assert.equal(outcome(undefined, "refused"), "failed");
  assert.equal(outcome("refused", "refused"), "failed");
  assert.equal(outcome(undefined, null), "passed");
  assert.equal(outcome("refused", null), "failed");
});
