// compose/relay.py beside a proxy of this test's own; that nobody is reset meanwhile is seen in
// test/real/proxy.test.ts.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type TestContext } from "node:test";

const script = join(import.meta.dirname, "..", "..", "compose", "relay.py");
/** In a container the relay listens on the container's own address. */
const own = "127.0.0.2";

async function listening(onConnection: (socket: Socket) => void, port = 0): Promise<Server> {
  const server = createServer(onConnection).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A port on which nobody listens now. */
async function freePort(): Promise<number> {
  const server = await listening(() => undefined);
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

async function tell(port: number, word: string): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    if (connected) return void socket.end(`${word}\n`);
    await sleep(20); // it still starts
  }
}

/** A relay that takes connections for a proxy at a port. */
async function relay(context: TestContext, port: number) {
  const control = await freePort();
  const head = `import socket; socket.gethostname = lambda: "${own}"; exec(open(${JSON.stringify(script)}).read())`;
  const child: ChildProcess = spawn("python3", ["-c", head, String(port), String(control)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  context.after(() => child.kill("SIGKILL"));
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, "exit");
  await tell(control, "begin");
  let client: Socket;
  for (;;) {
    client = connect(port, own);
    const connected = await once(client, "connect").then(
      () => true,
      () => false,
    );
    if (connected) break;
    await sleep(20);
  }
  return { client, ended, child, end: () => tell(control, "end"), errors: () => errors };
}

test("a stream that the relay took goes on after it has told the proxy, as long as it lasts", async (context) => {
  const proxied: Socket[] = [];
  const proxy = await listening((socket) => proxied.push(socket));
  context.after(() => proxy.close());
  const { client, ended, child, end } = await relay(context, portOf(proxy));
  const heard: string[] = [];
  client.on("data", (chunk: Buffer) => heard.push(chunk.toString()));
  client.write("a question");
  await end();
  while (proxied.length === 0) await sleep(20);
  for (const word of ["first", "second"]) {
    assert.equal(child.exitCode, null);
    proxied[0]!.write(word);
    while (!heard.join("").includes(word)) await sleep(20);
  }
  proxied[0]!.end();
  client.end();
  assert.deepEqual(await ended, [0, null]);
});

test("a client that is gone ends what it had at the proxy, and the relay", async (context) => {
  const closed: Promise<unknown>[] = [];
  const proxy = await listening((socket) => {
    socket.on("error", () => undefined).resume();
    closed.push(once(socket, "close"));
  });
  context.after(() => proxy.close());
  const { client, ended, end } = await relay(context, portOf(proxy));
  client.on("error", () => undefined).write("a question");
  await end();
  while (closed.length === 0) await sleep(20);
  client.resetAndDestroy();
  await closed[0];
  assert.deepEqual(await ended, [0, null]);
});

test("a proxy that listens again a moment later gets the connection", async (context) => {
  const port = await freePort();
  const { client, ended, end } = await relay(context, port);
  await end();
  await sleep(300); // longer than a first try
  const proxy = await listening((socket) => socket.end("an answer"), port);
  context.after(() => proxy.close());
  const [answer] = (await once(client, "data")) as [Buffer];
  assert.equal(answer.toString(), "an answer");
  client.end();
  assert.deepEqual(await ended, [0, null]);
});

test("a proxy that takes no connection is told, and its client is not left waiting", async (context) => {
  const { client, ended, end, errors } = await relay(context, await freePort());
  const gone = once(
    client.on("error", () => undefined),
    "close",
  );
  await end();
  await gone;
  assert.deepEqual(await ended, [0, null]);
  assert.match(errors(), /expected a connection to the proxy/u);
});
