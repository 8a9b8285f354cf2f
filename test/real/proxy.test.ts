import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent, request, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { parse } from "yaml";
import type { Finding } from "../../scripts/checks/check.ts";
import { pauseScript, renewScript, resumeScript } from "../../scripts/deploy/proxyControl.ts";
import { mostWaiting, proxyConfiguration } from "../../scripts/stack/proxyConfiguration.ts";
import { pausedRequests } from "../fakes/load/pausedRequests.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";
import { exampleValues, lookupOf } from "../stack/exampleStack.ts";
import { portsOf } from "./portsOf.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker } from "./workspace.ts";

// The proxy as dev has it where PROXY is true: the real one, before the fake server server; where
// a test wants to say itself when which byte is sent, before a server of its own.
const port = portsOf("proxy");
const settings = {
  PROXY: "true",
  PORT: String(port + 30),
  POSTGRES_PUBLISH_PORT: String(port + 31),
  PROXY_MAX_BODY: "64kb",
};
const folder = mkdtempSync(join(tmpdir(), "proxy-"));
let place: FakeServerWorkspace;
/** The proxy's own CA (PEM). */
let root: string;

before(async () => {
  place = await fakeServerWorkspace("proxy", port);
  await up();
  root = inProxy("cat", "/data/caddy/pki/authorities/local/root.crt");
});
after(async () => {
  upstream.closeAllConnections();
  upstream.close();
  await place.remove();
  rmSync(folder, { recursive: true });
});

interface Change {
  readonly service: string;
  readonly action: string;
  readonly causes: readonly string[];
}

/** Brings dev up. @returns what it did to which part */
async function up(more: Readonly<Record<string, string>> = {}): Promise<string[]> {
  const { code, said, stderr } = await place.tell("up", ["dev", "--yes"], { ...settings, ...more });
  assert.equal(code, 0, `${JSON.stringify(said)}\n${stderr}`);
  return (said["changes"] as Change[])
    .filter((one) => one.action !== "none")
    .map((one) => `${one.action} ${one.service}: ${one.causes.join(", ")}`);
}

const proxy = () => containerIds(place.project)["proxy"]!;
/** A command of busybox in the proxy's container. */
const inProxy = (...argv: string[]) => docker("exec", proxy(), "/probe/busybox", ...argv);

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** One request through the proxy, the certificate judged by the proxy's own CA. */
async function ask(path: string, more: RequestOptions & { body?: string } = {}): Promise<Answer> {
  const { body, ...options } = more;
  const sent = request({
    host: "127.0.0.1",
    port,
    path,
    ca: root,
    agent: false,
    signal: AbortSignal.timeout(20_000),
    ...options,
  });
  sent.end(body);
  const [reply] = (await once(sent, "response")) as [NodeJS.ReadableStream & Answer["headers"]];
  const text = Buffer.concat(await Array.fromAsync(reply as AsyncIterable<Buffer>)).toString();
  const { statusCode, headers } = reply as unknown as {
    statusCode: number;
    headers: IncomingHttpHeaders;
  };
  return { status: statusCode, headers, body: text };
}

/** The server of one's own: what it was asked, and the answer that is still open. */
const asked: { url: string; headers: IncomingHttpHeaders }[] = [];
const streams: ServerResponse[] = [];
const upstream = createServer((incoming, reply) => {
  asked.push({ url: incoming.url!, headers: incoming.headers });
  if (incoming.url!.startsWith("/stream")) {
    reply.writeHead(200, { "content-type": "text/plain", server: "upstream" });
    reply.write("data: first\n\n");
    streams.push(reply);
    return;
  }
  incoming.resume();
  incoming.once("end", () => reply.end("answered"));
});

/** What the proxy said of requests that failed in it. */
const proxySaid = () =>
  spawnSync("docker", ["logs", "--since", "2m", proxy()])
    .stderr.toString()
    .split("\n")
    .filter((line) => line.includes('"level":"error"'))
    .join("\n");

/** Anyone who comes anew with each request, at any moment: sixty a second. */
function callOften() {
  const failed: string[] = [];
  const calls: Promise<void>[] = [];
  const one = async () => {
    try {
      assert.equal((await ask("/v1/health/")).status, 200);
    } catch (error) {
      failed.push(String(error));
    }
  };
  const timer = setInterval(() => calls.push(one()), 1000 / 60);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(calls);
      return { answered: calls.length - failed.length, failed };
    },
  };
}

const caddyfile = "/etc/caddy/Caddyfile";

/** Changes the Caddyfile in its place and has it read anew, by the service's own command. */
function reload(change: (text: string) => string): void {
  const text = change(inProxy("cat", caddyfile));
  // The proxy may only read it: the job that lays it out has its volume too.
  const volume = `${place.project}_proxy-settings:/etc/caddy`;
  const image = docker(
    "ps",
    "-a",
    "--format",
    "{{.Image}}",
    "--filter",
    `name=${place.project}-permissions`,
  );
  const script = `cat > ${caddyfile}.new && /bin/busybox mv ${caddyfile}.new ${caddyfile}`;
  const busybox = ["--entrypoint", "/bin/busybox", image, "sh", "-c", script];
  const write = ["run", "--rm", "-i", "-v", volume, ...busybox];
  const written = spawnSync("docker", write, { input: `${text}\n` });
  assert.equal(written.status, 0, written.stderr.toString());
  const source = parse(readFileSync(join(place.root, "compose/proxy.yaml"), "utf8")) as {
    services: { proxy: { "x-reload": { command: string[] } } };
  };
  const command = source.services.proxy["x-reload"].command.map((one) =>
    one.replaceAll("$$", () => "$"),
  );
  const done = spawnSync("docker", ["exec", proxy(), ...command]);
  assert.equal(done.status, 0, done.stderr.toString());
}

/** Puts the server of one's own in the place of the fake server. */
async function takeOver(): Promise<void> {
  const network = `${place.project}_edge`;
  const format = "{{(index .IPAM.Config 0).Gateway}}";
  const gateway = docker("network", "inspect", network, "--format", format);
  if (!upstream.listening) {
    upstream.listen(port + 20, gateway);
    await once(upstream, "listening");
  }
  // A rollout between lays the Caddyfile out as it was rendered.
  if (inProxy("cat", caddyfile).includes(`${gateway}:${port + 20}`)) return;
  // The one without a matcher: the others are for while the server is replaced.
  reload((text) => {
    const changed = text.replace(
      /reverse_proxy server:\d+/,
      `reverse_proxy ${gateway}:${port + 20}`,
    );
    assert.notEqual(changed, text);
    return changed;
  });
}

/** An open stream through the proxy: what came so far, and its end. */
async function openStream(path: string) {
  const sent = request({ host: "127.0.0.1", port, path, ca: root, agent: false });
  sent.end();
  const [reply] = (await once(sent, "response")) as [NodeJS.ReadableStream];
  const seen = { text: "", how: "open" };
  reply.on("data", (chunk: Buffer) => (seen.text += chunk.toString()));
  reply.once("end", () => (seen.how = "ended"));
  reply.once("error", () => (seen.how = "cut"));
  return seen;
}

/** Waits for something to be so. */
async function until(what: string, look: () => boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (look()) return;
    await sleep(50);
  }
  assert.fail(`expected ${what}`);
}

async function shaken(options: { servername?: string; ca?: string }): Promise<TLSSocket> {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  socket.destroy();
  return socket;
}

test("a client that trusts the proxy's own CA trusts the proxy, by name and by address", async () => {
  for (const options of [{ servername: "localhost" }, {}]) {
    const socket = await shaken({ ...options, ca: root });
    assert.equal(
      socket.authorized,
      true,
      `${JSON.stringify(options)} ${socket.authorizationError}`,
    );
  }
  const stranger = await shaken({});
  assert.equal(stranger.authorized, false);
});

test("a name that no one has declared makes no certificate", async () => {
  const list = () => inProxy("ls", "/data/caddy/certificates/local");
  const before = list();
  await shaken({ servername: "stranger.example" });
  await shaken({ servername: "another.example" });
  assert.equal(list(), before);
  assert.deepEqual(before.split("\n"), ["127.0.0.1", "localhost"]);
});

test("the proxy speaks HTTP/2", async () => {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: root });
  await once(session, "connect");
  assert.equal(session.alpnProtocol, "h2");
  const stream = session.request({ ":path": "/v1/health/" });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  assert.equal(headers[":status"], 200);
  const body = Buffer.concat(await Array.fromAsync(stream as AsyncIterable<Buffer>)).toString();
  assert.equal((JSON.parse(body) as { version: string }).version, "1.0.0");
  session.destroy();
});

test("health and administration are not to be had from outside the container", async () => {
  const outside = await ask("/healthz");
  assert.equal(outside.status, 404);
  const server = containerIds(place.project)["server"]!;
  const fromServer = (url: string) =>
    spawnSync("docker", [
      "exec",
      server,
      "/probe/busybox",
      "wget",
      "-T",
      "5",
      "-q",
      "-O",
      "-",
      url,
    ]);
  assert.equal(inProxy("wget", "-q", "-O", "-", "http://127.0.0.1:8080/healthz"), "");
  for (const closed of ["8080", "8081", "2019"]) {
    const { status, stderr } = fromServer(`http://proxy:${closed}/healthz`);
    assert.notEqual(status, 0, closed);
    assert.match(stderr.toString(), /refused/i, closed);
  }
});

test("a request over the limit is refused, one below it arrives", async () => {
  await takeOver();
  const post = (size: number) =>
    ask("/v1/agents/", { method: "POST", body: "x".repeat(size) }).then((one) => one.status);
  assert.equal(await post(60_000), 200);
  assert.equal(await post(65_000), 413);
});

test("an answer is handed on as it comes, of whatever kind it is", async () => {
  await takeOver();
  const seen = await openStream("/stream");
  await until("the first event before the last was sent", () => seen.text === "data: first\n\n");
  assert.equal(seen.how, "open");
  streams.at(-1)!.end("data: last\n\n");
  await until("the end", () => seen.how === "ended");
  assert.equal(seen.text, "data: first\n\ndata: last\n\n");
});

test("the server gets the client's address, whatever the client says of it", async () => {
  await takeOver();
  const headers = { "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "http" };
  const reply = await ask("/who", { headers });
  const reported = asked.findLast((one) => one.url === "/who")!.headers;
  assert.equal(reported["x-forwarded-proto"], "https");
  assert.equal(reported["x-forwarded-host"], `127.0.0.1:${port}`);
  assert.ok(
    !String(reported["x-forwarded-for"]).includes("1.2.3.4"),
    String(reported["x-forwarded-for"]),
  );
  assert.equal(reply.headers["x-content-type-options"], "nosniff");
  for (const absent of ["server", "via", "strict-transport-security"]) {
    assert.equal(reply.headers[absent], undefined, absent);
  }
});

test("a new configuration is taken with a stream open, which goes on to its own end", async () => {
  await takeOver();
  const seen = await openStream("/stream");
  await until("the first event", () => seen.text !== "");
  reload((text) => text.replace("X-Content-Type-Options nosniff", "X-Marker reloaded"));
  const { headers } = await ask("/after");
  assert.equal(headers["x-marker"], "reloaded");
  assert.equal(headers["x-content-type-options"], undefined);
  assert.equal(seen.how, "open");
  streams.at(-1)!.write("data: second\n\n");
  await until("the event after the change", () => seen.text.includes("second"));
  streams.at(-1)!.end("data: last\n\n");
  await until("the end", () => seen.how === "ended");
});

test("before a reload no client is left with a connection that it would close", async () => {
  const agent = new Agent({ keepAlive: true });
  const reported = async () => (await ask("/v1/health/", { agent })).headers.connection;
  assert.notEqual(await reported(), "close");
  inProxy("touch", "/gate/leaving");
  assert.equal(await reported(), "close");
  inProxy("rm", "/gate/leaving");
  agent.destroy();
});

test("a pause outlives the proxy's restart, and ends when it expires", async () => {
  const tell = (script: string) => inProxy("sh", "-ec", script).trim();
  tell(pauseScript("a1", 20));
  docker("restart", "--time", "1", proxy());
  for (const end = performance.now() + 15_000; ; await sleep(100)) {
    const seen = spawnSync("docker", ["exec", proxy(), "/probe/busybox", "wget", "-qO-", healthz]);
    if (seen.status === 0) break;
    assert.ok(performance.now() < end, "the proxy runs again");
  }
  assert.equal(tell(renewScript("a1", 8)), "paused", "without a gap");
  const began = performance.now();
  const waits = ask("/v1/health/");
  assert.equal((await waits).status, 200);
  const waited = performance.now() - began;
  assert.ok(waited > 6000, `it waited for ${waited} ms`);
  assert.equal(tell(renewScript("a1", 20)), "ended");
  assert.equal((await ask("/v1/health/")).status, 200);
});

test("a pause that expired while the proxy was down is over when it is up again", async () => {
  const tell = (script: string) => inProxy("sh", "-ec", script).trim();
  tell(pauseScript("b2", 2));
  docker("stop", "--time", "1", proxy());
  await sleep(2500);
  docker("start", proxy());
  for (const end = performance.now() + 15_000; ; await sleep(100)) {
    const answer = await ask("/v1/health/").catch(() => undefined);
    if (answer?.status === 200) break;
    assert.ok(performance.now() < end, "requests reach the server");
  }
  assert.equal(tell(renewScript("b2", 20)), "ended");
});

const healthz = "http://127.0.0.1:8080/healthz";

test("requests that wait are bounded by the proxy's memory: one more is asked to come again", async () => {
  await up({ PROXY_MEMORY: "96m" });
  const waiting = mostWaiting(96 * 1024 ** 2);
  const state = () => docker("inspect", "--format", "{{json .State}}", proxy());
  const { StartedAt } = JSON.parse(state()) as Record<string, unknown>;
  inProxy("sh", "-ec", pauseScript("c3", 120));
  const { answers } = await pausedRequests(`https://127.0.0.1:${port}`, waiting + 200);
  const refused = await ask("/v1/health/");
  assert.equal(refused.status, 503);
  assert.equal(refused.headers["retry-after"], "5");
  inProxy("sh", "-ec", resumeScript("server"));
  assert.deepEqual(await answers, { "200": waiting, "503": 200 });
  const { StartedAt: now, OOMKilled } = JSON.parse(state()) as Record<string, unknown>;
  assert.deepEqual([now, OOMKilled], [StartedAt, false]);
  await up();
});

test("a setting of the proxy's changes with a stream open, and the proxy stays", async () => {
  await takeOver();
  const before = proxy();
  const seen = await openStream("/stream");
  await until("the first event", () => seen.text !== "");
  const callers = callOften();
  const done = await up({ PROXY_MAX_BODY: "32kb" });
  const { answered, failed } = await callers.stop();
  assert.deepEqual(failed, [], proxySaid());
  assert.ok(answered > 200, `${answered} calls`);
  assert.deepEqual(done, ["recreate proxy-settings: configuration changed"]);
  assert.equal(proxy(), before);
  assert.equal(seen.how, "open");
  streams.at(-1)!.end("data: last\n\n");
  await until("the end", () => seen.how === "ended");
  const large = await ask("/v1/blocks/", { method: "POST", body: "x".repeat(33 * 1024) });
  assert.equal(large.status, 413);
});

test("the access log is JSON that the collector hands on, without a secret of the request", async () => {
  const secrets = [
    "canary-bearer",
    "canary-cookie",
    "canary-bare",
    "canary-query",
    "canary-referer",
  ];
  const [bearer, cookie, bare, query, referer] = secrets;
  const { status } = await ask(`/v1/marked/path?api_key=${query}`, {
    headers: {
      authorization: `Bearer ${bearer}`,
      cookie: `session=${cookie}`,
      "x-bare-password": `password ${bare}`,
      referer: `https://example.com/?token=${referer}`,
      "user-agent": "canary-agent",
    },
  });
  const read = () => inProxy("cat", "/var/log/caddy/access.log");
  await until("a line of the access log", () => read().includes("/v1/marked/path"));
  const log = read();
  const lines = log.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
  const line = lines.find((one) => JSON.stringify(one).includes("/v1/marked/path"))!;
  assert.equal((line["request"] as { uri: string }).uri, "/v1/marked/path");
  assert.equal(line["status"], status);
  const collector = containerIds(place.project)["collector"]!;
  // The file is there once the first record has arrived.
  const file = "/var/lib/otelcol/logs.json";
  const show = `[ ! -e ${file} ] || exec /probe/busybox cat ${file}`;
  const sink = () => docker("exec", collector, "/probe/busybox", "sh", "-c", show);
  await until("the line in the collector's sink", () => sink().includes("/v1/marked/path"));
  const own = docker("logs", proxy());
  for (const secret of secrets) {
    assert.ok(!log.includes(secret), `the access log holds ${secret}`);
    assert.ok(!sink().includes(secret), `the sink holds ${secret}`);
    assert.ok(!own.includes(secret), `the proxy's output holds ${secret}`);
  }
  const record = findRecord(sink(), "/v1/marked/path");
  assert.equal(record.service, "letta-proxy");
  assert.equal(record.body, `GET /v1/marked/path ${status}`);
  assert.equal(record.attributes["http.request.method"], "GET");
  assert.equal(record.attributes["url.path"], "/v1/marked/path");
  assert.equal(record.attributes["user_agent.original"], "canary-agent");
  assert.equal(Number(record.attributes["http.response.status_code"]), status);
});

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, string>>;
}
interface Batch {
  readonly resource: { readonly attributes: readonly Attribute[] };
  readonly scopeLogs: readonly {
    readonly logRecords: readonly {
      readonly body: { readonly stringValue?: string };
      readonly attributes: readonly Attribute[];
    }[];
  }[];
}

/** The record of a request in what the file exporter wrote. */
function findRecord(text: string, path: string) {
  const named = (all: readonly Attribute[]) =>
    Object.fromEntries(all.map(({ key, value }) => [key, String(Object.values(value)[0])]));
  for (const line of text.split("\n").filter(Boolean)) {
    for (const batch of (JSON.parse(line) as { resourceLogs: Batch[] }).resourceLogs) {
      const records = batch.scopeLogs.flatMap((one) => one.logRecords);
      const record = records.find((one) => one.body.stringValue?.includes(path));
      const service = named(batch.resource.attributes)["service.name"];
      if (record === undefined) continue;
      return { service, body: record.body.stringValue, attributes: named(record.attributes) };
    }
  }
  throw new Error(`expected a record of ${path}`);
}

test("a certificate of one's own is served, and a renewed one, by a proxy that stays", async () => {
  const { caFile, key, certificate } = certificateAuthority(folder, "letta.example");
  const files = {
    PROXY_CERT_FILE: join(folder, "server.pem"),
    PROXY_KEY_FILE: join(folder, "server.key"),
    PROXY_DOMAIN: "letta.example",
  };
  assert.deepEqual(await up(files), [
    "recreate proxy-settings: configuration changed, a secret changed",
  ]);
  const trusted = { ca: readFileSync(caFile, "utf8"), servername: "letta.example" };
  const first = await shaken(trusted);
  assert.equal(first.authorized, true, String(first.authorizationError));
  const { headers } = await ask("/v1/health/", { ...trusted, headers: { host: "letta.example" } });
  assert.match(headers["strict-transport-security"]!, /^max-age=\d+$/);

  const doctorContext = await place.run("doctor", ["dev", "--json"], { ...settings, ...files });
  const { findings } = JSON.parse(doctorContext.stdout) as { findings: Finding[] };
  const found = findings.find((one) => one.name === "certificate");
  assert.match(found?.detail ?? "", /^for DNS:letta\.example by .+, valid until 20\d\d-/);
  assert.equal(found?.outcome, "passed");

  const renewed = certificateAuthority(folder, "letta.example");
  assert.notDeepEqual(renewed.certificate, certificate);
  assert.deepEqual(await up(files), ["recreate proxy-settings: a secret changed"]);
  const { ca: previous, servername } = trusted;
  assert.equal((await shaken({ ca: previous, servername })).authorized, false);
  const ca = readFileSync(renewed.caFile, "utf8");
  assert.equal((await shaken({ ca, servername })).authorized, true);

  // The middle of the key: its first and last lines are every key's.
  const said = docker("inspect", proxy()) + docker("logs", proxy());
  const state = spawnSync("grep", ["-rlF", middleOf(renewed.key), join(place.root, ".stack")]);
  assert.equal(state.stdout.toString(), "");
  assert.ok(!said.includes(middleOf(renewed.key)) && !said.includes(middleOf(key)));
});

const middleOf = (key: Buffer) => key.toString().split("\n")[1]!;

test("a key of another certificate is refused before anything is touched", async () => {
  const other = mkdtempSync(join(folder, "other-"));
  certificateAuthority(other, "letta.example");
  const ids = containerIds(place.project);
  const { code, said } = await place.tell("up", ["dev", "--yes"], {
    ...settings,
    PROXY_CERT_FILE: join(folder, "server.pem"),
    PROXY_KEY_FILE: join(other, "server.key"),
  });
  assert.equal(code, 2);
  assert.equal(said["code"], "SETTINGS_INVALID");
  assert.match(JSON.stringify(said), /PROXY_KEY_FILE: expected the key of PROXY_CERT_FILE/);
  assert.deepEqual(containerIds(place.project), ids);
});

const variants: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "its own CA": {},
  "its own CA, at one address": { PROXY_PUBLISH_HOST: "10.1.2.3" },
  "its own CA, at an address of IPv6": { PROXY_PUBLISH_HOST: "2001:db8::1" },
  ACME: { PROXY_DOMAIN: "letta.example.com" },
  "ACME with an address to write to": {
    PROXY_DOMAIN: "letta.example.com",
    PROXY_ACME_EMAIL: "ops@example.com",
  },
  "a certificate of one's own": { PROXY_CERT_FILE: "a", PROXY_KEY_FILE: "b" },
  "another limit": { PROXY_MAX_BODY: "2g" },
};

for (const [name, changed] of Object.entries(variants)) {
  test(`Caddy takes the Caddyfile with ${name}, and has nothing to format in it`, () => {
    const values = new Map([...exampleValues("prod"), ...Object.entries(changed)]);
    const text = proxyConfiguration(lookupOf(values));
    const caddy = (...argv: string[]) =>
      spawnSync("docker", ["exec", "-i", proxy(), "/usr/bin/caddy", ...argv], { input: text });
    // Here a certificate of one's own is there, from the test before.
    const valid = caddy("validate", "--adapter", "caddyfile", "--config", "/dev/stdin");
    assert.equal(valid.status, 0, valid.stderr.toString());
    assert.doesNotMatch(valid.stderr.toString(), /"level":"(?:warn|error)"/);
    const formatted = caddy("fmt", "-");
    assert.equal(formatted.stdout.toString(), text, formatted.stderr.toString());
  });
}

test("without a certificate of one's own its key is gone, and what a killed job left is no hindrance", async () => {
  const image = docker("inspect", "-f", "{{.Image}}", containerIds(place.project)["permissions"]!);
  const volume = `${place.project}_proxy-settings:/v`;
  const plant = "echo half > /v/new && /bin/busybox chmod 400 /v/new";
  docker("run", "--rm", "-v", volume, "--entrypoint", "/bin/busybox", image, "sh", "-c", plant);
  assert.deepEqual(await up(), ["recreate proxy-settings: configuration changed"]);
  assert.equal(inProxy("ls", "/etc/caddy"), "Caddyfile");
});
