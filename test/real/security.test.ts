// The hardening: CIS Docker 1.6 on a running prod, what can be reached from where, and
// where its secrets are. On the fake server server, which answers 401 as Letta does. What stays
// open of CIS is in test/security/cisExceptions.ts, with its reason.
// Where a machine has docker-bench-security, it looks at the same while a stack runs:
// `docker-bench-security.sh -c container_runtime -i letta`; of what it warns, the exceptions say why.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import { request } from "../../scripts/checks/request.ts";
import type { DoctorContext, Inspected } from "../security/cisChecks.ts";
import { cisExceptions } from "../security/cisExceptions.ts";
import { checkContainers } from "../security/judgeContainers.ts";
import { isLoopback, readListeners } from "../security/readListeners.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const firstPort = portsOf("security");
/** Nothing of it is used: it only must not turn up anywhere. */
const canaries = {
  OPENAI_API_KEY: "canary0openai0f41d8a6b7c",
  ANTHROPIC_API_KEY: "canary0anthropic09e2c5d3",
};

let place: FakeServerWorkspace;
let ids: Record<string, string>;
let secrets: readonly { readonly name: string; readonly value: string }[];
/** All that the tool wrote. */
let said = "";

before(async () => {
  place = await fakeServerWorkspace("security", firstPort, { REDIS_ENABLED: "true" });
  const file = join(place.root, "env/prod.secrets.env");
  const lines = Object.entries(canaries).map(([name, value]) => `${name}=${value}\n`);
  appendFileSync(file, `\n${lines.join("")}`);
  secrets = parseEnvFile(readFileSync(file), file).assignments;
  // The proxy as prod has it: open to every address.
  const open = { PROXY_PUBLISH_HOST: "0.0.0.0" };
  const reported = await place.deploy("1.0.0", [], open);
  assert.equal(reported.code, 0, reported.stderr + reported.stdout);
  const others = await Promise.all([
    place.run("render", ["prod"], open),
    place.run("settings", ["prod"], open),
    place.run("status", ["prod"], open),
  ]);
  said = [reported, ...others].map((one) => one.stdout + one.stderr).join("\n");
  ids = containerIds(place.project);
});
after(() => place.remove());

const inspect = (id: string) => (JSON.parse(docker("inspect", id)) as [Inspected])[0];
const isRunning = (id: string) => docker("inspect", "-f", "{{.State.Running}}", id) === "true";
const running = () => Object.entries(ids).filter(([, id]) => isRunning(id));

/** What the user and the command line of each process are. */
function processes(id: string): { user: string; line: string }[] {
  const [, ...lines] = docker("top", id, "-eo", "pid,uid,args").split("\n");
  return lines.map((one) => {
    const [, user = "", line = ""] = /^\s*\d+\s+(\d+)\s+(.*)$/.exec(one) ?? [];
    return { user, line };
  });
}

/** A command of the probe's busybox, in a container alongside the stack. */
function busybox(where: readonly string[], ...command: string[]): string {
  const image = docker("inspect", "-f", "{{.Image}}", ids["permissions"]!);
  const run = ["run", "--rm", ...where, "--entrypoint", "/bin/busybox", image, ...command];
  const done = spawnSync("docker", run, { encoding: "utf8", maxBuffer: 1 << 28 });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout;
}

/** What a running container's first process may, and what listens in its network. */
function inside(id: string) {
  const where = ["--network", `container:${id}`, "--pid", `container:${id}`];
  const [limits = "", sockets = ""] = busybox(
    where,
    "sh",
    "-c",
    "cat /proc/1/limits; echo ==; cat /proc/net/tcp*",
  ).split("==");
  return { limits, listeners: readListeners(sockets) };
}

/** Which of these addresses take a connection from a container of this network. */
function reached(network: string, addresses: readonly string[]): string[] {
  const each = addresses.map((one) => {
    const [host, port] = one.split(":");
    return `{ nc -w 2 ${host} ${port} -e /bin/busybox true && echo ${one}; } &`;
  });
  const answer = busybox(["--network", network], "sh", "-c", `${each.join(" ")} wait`);
  return answer.split("\n").filter(Boolean).sort();
}

/** The addresses of this machine that others may know it by. */
function outerAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((one) => one ?? [])
    .filter((one) => !one.internal && !one.address.startsWith("fe80:"))
    .map((one) => one.address);
}

/** Whether someone takes a connection. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 2000 });
    const end = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => end(true));
    socket.once("timeout", () => end(false));
    socket.once("error", () => end(false));
  });
}

test("CIS Docker 1.6: no finding without a reason, and no reason without its finding", (context) => {
  const { SecurityOptions } = JSON.parse(docker("info", "--format", "{{json .}}")) as {
    SecurityOptions: string[];
  };
  const engine = SecurityOptions.map((one) => one.replace("name=", "").split(",")[0]!);
  const doctorContext: DoctorContext[] = Object.entries(ids).map(([service, id]) => ({
    service,
    container: inspect(id),
    processes: isRunning(id) ? processes(id).map((one) => one.line) : [],
    engine,
  }));
  assert.deepEqual(doctorContext.map((one) => one.service).sort(), [
    "collector",
    "migrate",
    "permissions",
    "postgres",
    "proxy",
    "proxy-settings",
    "redis",
    "server",
  ]);
  const { table, unexplained, unused } = checkContainers(doctorContext, cisExceptions);
  for (const line of table.flatMap((one) => one.split("\n"))) context.diagnostic(line);
  assert.deepEqual(unexplained, []);
  assert.deepEqual(unused, []);
});

test("of the database only init is root's, and the collector has no process of root's", () => {
  const roots = (service: string) =>
    processes(ids[service]!)
      .filter((one) => one.user === "0")
      .map((one) => one.line.split(" ")[0]);
  assert.deepEqual(roots("postgres"), ["/sbin/docker-init"]);
  assert.deepEqual(roots("collector"), []);
});

test("in no container anything is bound from the host, and a process cannot dump its memory", () => {
  for (const [service, id] of running()) {
    const { Mounts } = inspect(id);
    assert.deepEqual([...new Set(Mounts.map((one) => one.Type))].join(), "volume", service);
    assert.match(inside(id).limits, /^Max core file size +0 +0 /m, service);
  }
});

test("each container listens for others on the ports it is there for, and on no other", () => {
  const meant: Record<string, readonly number[]> = {
    collector: [4317, 4318, 8888, 13_133],
    postgres: [5432],
    proxy: [8443],
    redis: [6379],
    server: [8283],
  };
  for (const [service, id] of running()) {
    const { listeners } = inside(id);
    const open = listeners.filter((one) => !isLoopback(one)).map((one) => one.port);
    assert.deepEqual(
      [...new Set(open)].sort((a, b) => a - b),
      meant[service],
      service,
    );
    if (service !== "collector") continue;
    for (const port of [1777, 55_679]) {
      const own = listeners.filter((one) => one.port === port);
      assert.ok(own.length > 0 && own.every(isLoopback), `pprof and zpages: ${port}`);
    }
  }
});

test("from outside the machine there is one open port: the proxy's", async () => {
  const published = running().flatMap(([, id]) =>
    Object.values(inspect(id).HostConfig.PortBindings ?? {}).flatMap((one) =>
      one.map((binding) => Number(binding.HostPort)),
    ),
  );
  assert.deepEqual(
    published.sort(),
    [0, 1, 2, 3, 4].map((one) => firstPort + one),
  );
  const addresses = outerAddresses();
  assert.ok(addresses.length > 0);
  const reached = await Promise.all(
    published.map(async (port) => {
      const all = await Promise.all(addresses.map((address) => answers(address, port)));
      return { port, isHere: await answers("127.0.0.1", port), isOutside: all.includes(true) };
    }),
  );
  assert.deepEqual(
    reached,
    published.map((port) => ({ port, isHere: true, isOutside: port === firstPort })),
  );
  const files = ["/proc/net/tcp", "/proc/net/tcp6"].filter((file) => existsSync(file));
  const beyond = files
    .flatMap((file) => readListeners(readFileSync(file, "utf8")))
    .filter((one) => published.includes(one.port) && !isLoopback(one));
  assert.ok(
    beyond.every((one) => one.port === firstPort),
    JSON.stringify(beyond),
  );
});

test("a container that is not of the stack reaches neither collector nor database nor Redis", () => {
  const address = (service: string, network: string) =>
    docker(
      "inspect",
      "-f",
      `{{(index .NetworkSettings.Networks "${place.project}_${network}").IPAddress}}`,
      ids[service]!,
    );
  const collector = address("collector", "telemetry");
  const ports = [4317, 4318, 8888, 13_133].map((port) => `${collector}:${port}`).sort();
  const database = `${address("postgres", "backend")}:5432`;
  assert.deepEqual(reached(`${place.project}_telemetry`, ports), ports);
  assert.deepEqual(reached(`${place.project}_backend`, [database]), [database]);
  const redis = `${address("redis", "redis")}:6379`;
  assert.deepEqual(reached(`${place.project}_redis`, [redis]), [redis]);
  assert.deepEqual(reached("bridge", [...ports, database, redis]), []);
  for (const network of ["edge", "backend", "telemetry"])
    assert.deepEqual(reached(`${place.project}_${network}`, [redis]), [], network);
  assert.deepEqual(reached(`${place.project}_edge`, [database]), []);
});

test("without the server's password no one gets past the proxy, but to its health", async () => {
  const [outer = ""] = outerAddresses();
  for (const host of ["127.0.0.1", outer]) {
    const ask = async (path: string, headers = {}) =>
      (await request(`https://${host}:${firstPort}${path}`, { headers })).status;
    assert.equal(await ask("/v1/agents/"), 401);
    assert.equal(await ask("/v1/agents/", { authorization: "Bearer wrong" }), 401);
    assert.equal(await ask("/v1/health/"), 200);
  }
  assert.equal((await place.ask("GET /v1/agents/")).status, 200);
});

/** The secrets that a text holds, plain or in base64, by name. */
function leaked(text: string): string[] {
  return secrets
    .filter(({ value }) =>
      [value, Buffer.from(value).toString("base64").replace(/=+$/, "")].some((one) =>
        text.includes(one),
      ),
    )
    .map((one) => one.name)
    .sort();
}

test("secrets are in the environment of the server and its migration, and of no one else", () => {
  const every = secrets.map((one) => one.name).sort();
  assert.equal(every.length, 5);
  const found = Object.entries(ids).map(([service, id]) => [
    service,
    leaked(docker("inspect", id)),
  ]);
  assert.deepEqual(
    Object.fromEntries(found),
    Object.fromEntries(
      Object.keys(ids).map((one) => [one, ["server", "migrate"].includes(one) ? every : []]),
    ),
  );
});

test("no command line holds a secret, neither of a container nor of a process in it", () => {
  for (const [service, id] of Object.entries(ids)) {
    const started = docker("inspect", "-f", "{{.Path}} {{.Args}} {{.Config.Cmd}}", id);
    assert.deepEqual(leaked(started), [], service);
  }
  for (const [service, id] of running()) {
    const lines = processes(id).map((one) => one.line);
    assert.ok(lines.length > 0, service);
    assert.deepEqual(leaked(lines.join("\n")), [], service);
  }
});

test("no image holds a secret, in what it is made of or in its history", () => {
  for (const [service, id] of Object.entries(ids)) {
    const image = docker("inspect", "-f", "{{.Image}}", id);
    const history = docker("history", "--no-trunc", "--format", "{{json .}}", image);
    assert.deepEqual(leaked(history + docker("image", "inspect", image)), [], service);
  }
});

test("no secret is in .stack, in what the tool says, or in the logs", () => {
  const files = readdirSync(place.state, { recursive: true, encoding: "utf8" })
    .map((file) => join(place.state, file))
    .filter((file) => statSync(file).isFile());
  assert.ok(files.some((file) => file.endsWith("compose.yaml")));
  for (const file of files) assert.deepEqual(leaked(readFileSync(file, "latin1")), [], file);
  assert.ok(said.includes("LETTA_PG_PASSWORD"));
  assert.deepEqual(leaked(said), []);
  for (const [service, id] of Object.entries(ids)) {
    const { stdout, stderr } = spawnSync("docker", ["logs", id], { encoding: "utf8" });
    assert.deepEqual(leaked(stdout + stderr), [], service);
  }
});

test("no secret is in the server's log files or in the telemetry", () => {
  const volumes = ["logs", "telemetry", "probe"].flatMap((one) => [
    "-v",
    `${place.project}_${one}:/volumes/${one}:ro`,
  ]);
  const where = ["--network", "none", ...volumes];
  const all = busybox(where, "sh", "-c", "cat $(find /volumes -type f)");
  assert.match(all, /resourceSpans/);
  assert.deepEqual(leaked(all), []);
});

test("what the tool keeps is its owner's alone", () => {
  const entries = readdirSync(place.state, { recursive: true, encoding: "utf8" });
  for (const path of [place.state, ...entries.map((one) => join(place.state, one))]) {
    const stat = statSync(path);
    if (!stat.isFile() && !stat.isDirectory()) continue;
    assert.equal((stat.mode & 0o077).toString(8), "0", path);
  }
});
