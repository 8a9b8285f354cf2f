// compose/relay.py alongside a proxy of this test's own; that no one is reset meanwhile is seen in
// test/real/proxy.test.ts.
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type TestContext } from "node:test";
import { promisify } from "node:util";
import { parse } from "yaml";

const script = join(import.meta.dirname, "..", "..", "compose", "relay.py");
/** In a container the relay listens on the container's own address. */
const own = "127.0.0.2";

async function listening(onConnection: (socket: Socket) => void, port = 0): Promise<Server> {
  const server = createServer(onConnection).listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;

/** A port on which no one listens now. */
async function freePort(): Promise<number> {
  const server = await listening(() => undefined);
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

/** @returns what the relay answers */
async function tell(port: number, word: string): Promise<string> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    if (connected) return text(socket.end(`${word}\n`));
    await sleep(20); // it still starts
  }
}

/** A relay that takes connections for a proxy at a port; `control` is its own. */
async function relay(context: TestContext, port: number, control?: number) {
  control ??= await freePort();
  const child = start(context, port, control);
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  const ended = once(child, "exit");
  assert.equal(await tell(control, "begin"), "ready\n");
  const client = connect(port, own); // it listens already
  await once(client, "connect");
  const end = () => tell(control, "end");
  return { client, ended, child, end, control, errors: () => errors };
}

function start(context: TestContext, port: number, control: number): ChildProcess {
  const head = `import socket; socket.gethostname = lambda: "${own}"; exec(open(${JSON.stringify(script)}).read())`;
  const child: ChildProcess = spawn("python3", ["-c", head, String(port), String(control)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  context.after(() => child.kill("SIGKILL"));
  return child;
}

test("a stream that the relay took goes on after it has reported the proxy, as long as it lasts", async (context) => {
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

test("a proxy that takes no connection is reported, and its client is not left waiting", async (context) => {
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

test("the next reload has a relay of its own while one of before has a connection yet", async (context) => {
  const proxied: Socket[] = [];
  const proxy = await listening((socket) => proxied.push(socket));
  context.after(() => proxy.close());
  const port = portOf(proxy);
  const first = await relay(context, port);
  await first.end();
  while (proxied.length === 0) await sleep(20);
  const second = await relay(context, port, first.control);
  assert.equal(first.child.exitCode, null);
  assert.equal(proxied.length, 1); // its client waits
  await second.end();
  while (proxied.length === 1) await sleep(20);
  for (const [index, { client, ended }] of [first, second].entries()) {
    proxied[index]!.end(`answer ${index}`);
    assert.equal(await text(client), `answer ${index}`);
    client.end();
    assert.deepEqual(await ended, [0, null]);
  }
});

/** Runs the proxy's own command for a reload, with fake servers for the programs of its container. */
async function reload(context: TestContext, control: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "reload-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const program = (name: string, lines: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${lines}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  program("caddy", "echo reloads >&2");
  const talk = `require("node:net").connect(process.argv[2], process.argv[1], function () {
      process.stdin.pipe(this).pipe(process.stdout);
    }).on("error", () => process.exit(1))`;
  writeFileSync(join(folder, "talk.cjs"), `process.argv.splice(1, 1);${talk}`);
  program(
    "busybox",
    `case $1 in
      sh) shift; exec sh "$@" ;;
      timeout) shift 2; exec "$@" ;;
      nc) exec "${process.execPath}" "${folder}/talk.cjs" "$4" ${control} ;;
      sleep) exec sleep 0.05 ;;
      cat) ;;
      *) exec "$@" ;;
    esac`,
  );
  const source = parse(readFileSync(join(script, "..", "proxy.yaml"), "utf8")) as {
    services: { proxy: { "x-reload": { command: string[] } } };
  };
  const [run, ...rest] = source.services.proxy["x-reload"].command.map((one) =>
    one
      .replaceAll("$$", () => "$")
      .replaceAll("/probe/busybox", `${folder}/busybox`)
      .replaceAll("/usr/bin/caddy", `${folder}/caddy`)
      .replaceAll("/gate/", `${folder}/`),
  );
  const { stdout, stderr } = await promisify(execFile)(run!, rest);
  assert.match(stderr, /reloads/u);
  return stdout;
}

test("a reload says nothing where a relay took the connections, and ends it", async (context) => {
  const proxy = await listening((socket) => socket.end());
  context.after(() => proxy.close());
  const control = await freePort();
  const child = start(context, portOf(proxy), control);
  const ended = once(child, "exit");
  assert.equal(await tell(control, "begin"), "ready\n"); // so that it has started
  assert.equal(await reload(context, control), "");
  assert.deepEqual(await ended, [0, null]);
});

test("a reload says that there was no relay, and goes on", async (context) => {
  assert.match(await reload(context, await freePort()), /^no relay /u);
});

test("a reload is not deceived by another that takes its word and does not listen", async (context) => {
  const other = await listening((socket) => socket.resume().on("end", () => socket.end()));
  context.after(() => other.close());
  assert.match(await reload(context, portOf(other)), /^no relay /u);
});

test("a relay that cannot listen ends and is never ready", async (context) => {
  const taken = createServer().listen(0, own);
  await once(taken, "listening");
  context.after(() => taken.close());
  const control = await freePort();
  const ended = once(start(context, portOf(taken), control), "exit");
  assert.equal(await tell(control, "begin"), "");
  assert.deepEqual(await ended, [1, null]);
});
