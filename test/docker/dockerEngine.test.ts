import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import test, { after } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { processMark } from "../../scripts/common/processMark.ts";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";

const folder = mkdtempSync(join(tmpdir(), "engine-"));
const servers: Server[] = [];
after(() => {
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true });
});

/** Answers as an engine does to a ping, an inspection of an exec and its start. */
const answers: RequestListener = (request, response) => {
  const isExec = request.url?.endsWith("/exec") === true;
  response.writeHead(isExec ? 201 : 200, { "Content-Type": "application/json" });
  response.end(isExec ? '{"Id":"e1"}' : request.url?.endsWith("/json") ? '{"ExitCode":7}' : "OK");
};

async function listening(server: Server, path?: string): Promise<number> {
  servers.push(server);
  server.listen(path ?? { host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

/** One authority, a server's and a client's certificate by it. */
function makeCertificates(): void {
  const openssl = (words: string) => {
    const done = spawnSync("openssl", words.split(" "), { cwd: folder });
    assert.equal(done.status, 0, done.stderr.toString());
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc";
  openssl(`req -x509 -subj /CN=tests -days 2 ${key} -keyout ca.key -out ca.pem`);
  for (const name of ["server", "client"]) {
    writeFileSync(join(folder, "names"), "subjectAltName=IP:127.0.0.1");
    openssl(`req -subj /CN=${name} ${key} -keyout ${name}.key -out ${name}.csr`);
    openssl(
      `x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out ${name}.pem`,
    );
  }
  spawnSync("cp", ["client.pem", "cert.pem"], { cwd: folder });
  spawnSync("cp", ["client.key", "key.pem"], { cwd: folder });
}

test("with DOCKER_TLS_VERIFY the API is spoken over TLS, with the client's certificate", async () => {
  makeCertificates();
  const read = (name: string) => spawnSync("cat", [join(folder, name)]).stdout;
  const [cert, key, ca] = ["server.pem", "server.key", "ca.pem"].map(read);
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: true };
  const port = await listening(createTlsServer(options as object, answers) as unknown as Server);
  const environment = {
    DOCKER_HOST: `tcp://127.0.0.1:${port}`,
    DOCKER_TLS_VERIFY: "1",
    DOCKER_CERT_PATH: folder,
  };
  await dockerEngine(endpoint(environment), environment).ping();
  const strangers = endpoint(environment);
  const other = { ...strangers, tls: { ...strangers.tls!, ca: read("server.pem") } };
  await assert.rejects(dockerEngine(other, environment).ping(), /certificate/);
});

/** A program named ssh that does what `docker system dial-stdio` does there, or fails as ssh. */
function ssh(socket: string, arguments_: string): string {
  const program = join(mkdtempSync(join(folder, "bin-")), "ssh");
  writeFileSync(
    program,
    `#!${process.execPath}
const { appendFileSync } = require("node:fs");
appendFileSync(${JSON.stringify(arguments_)}, process.argv.slice(2).join(" ") + "\\n");
if (process.argv.includes("denied")) {
  console.error("deploy@denied: Permission denied (publickey).");
  process.exit(255);
}
const socket = require("node:net").connect({ path: ${JSON.stringify(socket)}, allowHalfOpen: true });
process.stdin.pipe(socket).pipe(process.stdout);
`,
  );
  chmodSync(program, 0o755);
  return join(program, "..");
}

test("ssh:// reaches the engine with user and port, both ways, and one ssh serves many calls", async () => {
  const socket = join(folder, "engine.sock");
  const server = createServer(answers);
  server.on("upgrade", (_, stream) => {
    stream.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
    // What comes after the end of standard input: the rollback is still open then.
    stream.on("data", (given) => stream.write(frame(`got ${given.toString()}`)));
    stream.on("end", () => stream.end(frame(" and its end")));
  });
  await listening(server, socket);
  const called = join(folder, "called");
  const environment = {
    DOCKER_HOST: "ssh://deploy@far:2222",
    PATH: `${ssh(socket, called)}${delimiter}${process.env["PATH"]}`,
  };
  const engine = dockerEngine(endpoint(environment), environment);
  await engine.ping();
  await engine.ping();
  const done = await engine.exec("c1", ["cat"], { stdin: "words" });
  assert.deepEqual([done.code, done.stdout], [7, "got words and its end"]);
  const calls = spawnSync("cat", [called]).stdout.toString().trim().split("\n");
  assert.ok(calls.length <= 3, calls.join("\n"));
  assert.match(calls[0]!, /BatchMode=yes -l deploy -p 2222 -- far docker system dial-stdio$/);
});

test("what ssh says about its failure is reported, and is no bug", async () => {
  const environment = {
    DOCKER_HOST: "ssh://deploy@denied",
    PATH: ssh("/nowhere", join(folder, "denied")),
  };
  const failure = await dockerEngine(endpoint(environment), environment)
    .ping()
    .then(
      () => undefined,
      (error: unknown) => error,
    );
  assert.ok(failure instanceof Problem, String(failure));
  assert.equal(failure.code, "ENGINE_UNREACHABLE");
  assert.match(failure.details.join(), /Permission denied/);
});

test("a machine without ssh is reported", async () => {
  const environment = { DOCKER_HOST: "ssh://far", PATH: "/nowhere" };
  const failure = dockerEngine(endpoint(environment), environment).ping();
  await assert.rejects(failure, { code: "ENGINE_UNREACHABLE" });
});

test("what passes through a one-shot is written into no log of the engine", async () => {
  const bodies: { HostConfig?: { LogConfig?: { Type?: string } } }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.url?.includes("/containers/create")) {
      bodies.push(JSON.parse(Buffer.concat(chunks).toString()) as (typeof bodies)[0]);
    }
    response.writeHead(500).end();
  });
  const environment = { DOCKER_HOST: `tcp://127.0.0.1:${await listening(server)}` };
  const engine = dockerEngine(endpoint(environment), environment);
  const shot = { image: "postgres", entrypoint: ["pg_dump"] };
  await assert.rejects(engine.run(shot));
  await assert.rejects(engine.runHeld(shot, /ready/));
  const drivers = bodies.map((one) => one.HostConfig?.LogConfig?.Type);
  assert.deepEqual(drivers, ["none", "none"]);
});

test("a container that cannot start, as its network is gone, is reported at once", async () => {
  const answer = { start: 404, stop: 404, "": 404 } as const;
  const server = createServer((request, response) => {
    const name = /(start|stop)/.exec(request.url ?? "")?.[0] ?? "";
    response.writeHead(answer[name as keyof typeof answer], { "Content-Type": "application/json" });
    response.end('{"message":"network 6ab1 not found"}');
  });
  const environment = { DOCKER_HOST: `tcp://127.0.0.1:${await listening(server)}` };
  const engine = dockerEngine(endpoint(environment), environment);
  await assert.rejects(engine.start("c1"), /network 6ab1 not found/);
  await engine.stop("c1", 1);
  await engine.remove("c1");
});

/** Standard output as the engine multiplexes it. */
function frame(text: string): Buffer {
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([head, Buffer.from(text)]);
}

test("a leftover that another run sweeps at the same time is no failure", async () => {
  const asked: string[] = [];
  const mark = processMark.replace(/\d+$/, "4194305"); // above Linux' highest pid
  const path = join(folder, "sweep.sock");
  const sweeping: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url?.split("?")[0]}`);
    const isList = request.url?.includes("/containers/json") === true;
    response.writeHead(isList ? 200 : 404, { "Content-Type": "application/json" });
    const shots = [{ Id: "gone", Labels: { "letta-stack.oneshot": mark } }];
    response.end(JSON.stringify(isList ? shots : { message: "No such container: gone" }));
  };
  await listening(createServer(sweeping), path);
  const environment = { ...process.env, DOCKER_HOST: `unix://${path}` };
  await dockerEngine(endpoint(environment), environment).sweep();
  assert.ok(
    asked.some((one) => one.startsWith("DELETE")),
    asked.join(", "),
  );
});
