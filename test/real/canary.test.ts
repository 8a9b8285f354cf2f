// A made-up value in every place for a secret, looked for wherever a deploy could let it out.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { settingDefinitions, type SettingName } from "../../scripts/settings/settingDefinitions.ts";
import { serverVariables } from "../../scripts/settings/serverVariables.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

/** Why a service's container may show a secret to users who may ask the engine. */
const inEnvironment = "the server's image reads it from its environment alone";

/** The collector takes them in place of the names in its configuration, which so holds none. */
const forConfiguration = "its configuration names it, and the collector reads its environment";

/** Variables that the server's image reads under its own name. */
const passed = Object.fromEntries(
  Object.entries(serverVariables)
    .filter(([, { secret }]) => secret)
    .map(([name]) => [name, inEnvironment]),
);

type Declared = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The declared places: `docker inspect` of these parts shows these secrets. */
const declared: Declared = {
  server: {
    ...passed,
    LETTA_PG_PASSWORD: inEnvironment,
    LETTA_SERVER_PASSWORD: inEnvironment,
    LETTA_ENCRYPTION_KEY: inEnvironment,
    OPENAI_API_KEY: inEnvironment,
    ANTHROPIC_API_KEY: inEnvironment,
    GROQ_API_KEY: inEnvironment,
    GEMINI_API_KEY: inEnvironment,
    AZURE_API_KEY: inEnvironment,
    TOGETHER_API_KEY: inEnvironment,
    DEEPSEEK_API_KEY: inEnvironment,
  },
  collector: {
    CLICKHOUSE_PASSWORD: forConfiguration,
    SIGNOZ_INGESTION_KEY: forConfiguration,
  },
};

/** ClickHouse's users take their passwords from its environment (from_env). */
const ofUsers = "ClickHouse's own users, whose passwords it reads from its environment";

/** The same where ClickHouse is a service. */
const withClickHouse: Declared = {
  server: { ...declared["server"], CLICKHOUSE_READER_PASSWORD: "it reads its traces there" },
  collector: {
    CLICKHOUSE_PASSWORD: forConfiguration,
    SIGNOZ_INGESTION_KEY: forConfiguration,
  },
  clickhouse: {
    CLICKHOUSE_PASSWORD: ofUsers,
    CLICKHOUSE_READER_PASSWORD: ofUsers,
    CLICKHOUSE_ADMIN_PASSWORD: ofUsers,
  },
};

/**
 * Set to nothing: one would take the place of the bundled database and of its password, the other would
 * send telemetry to Datadog, which is not to be had here.
 */
const leftOut: readonly string[] = ["LETTA_PG_URI", "DD_API_KEY"];

const names = (Object.keys(settingDefinitions) as SettingName[]).filter(
  (name) => settingDefinitions[name].secret && !leftOut.includes(name),
);
const canaries = new Map<string, string>(
  names.map((name) => [
    name,
    `c4n4ry${name.replaceAll("_", "")}${randomBytes(12).toString("hex")}`,
  ]),
);
const firstPort = portsOf("canary");
let place: FakeServerWorkspace;
/** All that commands wrote. */
const written: string[] = [];
/** Every command line of a process that was seen during the deploys. */
const commandLines = new Set<string>();

before(async () => {
  place = await fakeServerWorkspace("canary", firstPort);
  const lines = [...canaries].map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(place.root, "env/prod.secrets.env"), lines.join(""), { mode: 0o600 });
  // The key of the proxy's certificate is a secret too, in a file of its own.
  const folder = dirname(place.root);
  const { key } = certificateAuthority(folder, "letta.test");
  canaries.set("PROXY_KEY", key.toString().split("\n")[1]!);
  const settings = join(place.root, "env/prod.env");
  const files = `PROXY_CERT_FILE='${folder}/server.pem'\nPROXY_KEY_FILE='${folder}/server.key'\n`;
  writeFileSync(settings, `${readFileSync(settings, "utf8")}\n${files}`);
});
after(() => place.remove());

/** The secrets whose canary is in a text, in any form in which programs write one. */
function found(text: string): string[] {
  const forms = (value: string) => [
    value,
    Buffer.from(value).toString("base64").replace(/=+$/u, "").slice(0, -1),
    Buffer.from(value).toString("hex"),
  ];
  return [...canaries]
    .filter(([, value]) => forms(value).some((one) => text.includes(one)))
    .map(([name]) => name);
}

/** Bytes as text in which nothing is lost. */
function bytesOf(program: string, ...args: string[]): string {
  const done = spawnSync(program, args, { maxBuffer: 1024 * 1024 * 1024 });
  assert.equal(done.status, 0, done.stderr.toString());
  return Buffer.concat([done.stdout, done.stderr]).toString("latin1");
}

/** What every process of this machine was started with, over and over until it is to stop. */
async function watchProcesses(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    for (const pid of readdirSync("/proc")) {
      if (!/^\d+$/u.test(pid)) continue;
      try {
        commandLines.add(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
      } catch {
        // It has ended.
      }
    }
    await sleep(40);
  }
}

async function watched(work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const watching = watchProcesses(stop.signal);
  try {
    await work();
  } finally {
    stop.abort();
    await watching;
  }
}

async function run(code: number, entry: string, args: readonly string[], more = {}): Promise<void> {
  const ran = await place.run(entry, args, more);
  written.push(ran.stdout, ran.stderr);
  assert.equal(ran.code, code, ran.stderr);
}

test("deploys that succeed, migrate and fail, and commands that look, write no secret", async () => {
  await watched(async () => {
    await run(0, "deploy", ["prod", "1.0.0", "--yes", "--verbose"]);
    await run(0, "deploy", ["prod", "2.0.0", "--yes", "--json"], { OTEL_SAMPLING_PERCENT: "100" });
    // It dies once its database has taken writes: a person decides how to return.
    await run(5, "deploy", ["prod", "7.0.0", "--yes"], { BAKE_TIME: "6s" });
    await run(0, "rollback", ["000002", "--database", "copy", "--env", "prod", "--yes"]);
  });
  const bearer = { authorization: `Bearer ${canaries.get("LETTA_SERVER_PASSWORD")}` };
  const { request } = await import("../../scripts/checks/request.ts");
  const url = `https://127.0.0.1:${firstPort}/v1/agents/`;
  const asked = await request(url, { headers: bearer });
  assert.equal(asked.status, 200, "the server does not run with the canary");
  for (const [entry, args] of [
    ["verify", ["prod"]],
    ["status", ["prod", "--json"]],
    ["plan", ["prod"]],
    ["render", ["prod"]],
    ["settings", ["prod"]],
    ["settings", ["prod", "--explain", "LETTA_PG_PASSWORD"]],
    ["history", ["prod"]],
    ["releases", ["prod", "--json"]],
    ["secrets", ["list", "prod"]],
  ] as const) {
    const ran = await place.run(entry, args);
    written.push(ran.stdout, ran.stderr);
  }
  assert.ok(written.join("").includes("LETTA_PG_PASSWORD"), "nothing was written to look in");
  assert.deepEqual(found(written.join("\n")), []);
});

function inCommandLines() {
  const all = [...commandLines].join("\n");
  for (const seen of ["scripts/commands/deploy.ts", "compose", "letta\0server", "postgres"])
    assert.ok(all.includes(seen), `${seen} was not seen`);
  assert.deepEqual(found(all), []);
}

test("no process was started with a secret in its command line", inCommandLines);

function inState() {
  const files = readdirSync(place.state, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name));
  for (const kind of ["evidence", "backups", "journal.jsonl", "release.json", "compose.yaml"])
    assert.ok(
      files.some((file) => file.includes(kind)),
      `no ${kind} to look in`,
    );
  const holding = files.flatMap((file) =>
    found(readFileSync(file, "latin1")).map((name) => `${file}: ${name}`),
  );
  assert.deepEqual(holding, []);
}

test("nothing under .stack holds a secret, evidence and dumps included", inState);

function inLogs() {
  for (const [service, id] of Object.entries(containerIds(place.project)))
    assert.deepEqual(found(bytesOf("docker", "logs", id)), [], service);
}

test("no service's log holds a secret", inLogs);

function inInspection(declared: Declared) {
  const parts = containerIds(place.project);
  assert.deepEqual(
    Object.keys(declared).filter((service) => !(service in parts)),
    [],
  );
  for (const [service, id] of Object.entries(parts)) {
    // What migrates has to have exactly the server's environment.
    const allowed = declared[service === "migrate" ? "server" : service] ?? {};
    assert.deepEqual(found(docker("inspect", id)).sort(), Object.keys(allowed).sort(), service);
  }
  const label = `label=com.docker.compose.project=${place.project}`;
  for (const kind of ["network", "volume"]) {
    const ids = docker(kind, "ls", "-q", "--filter", label).split("\n");
    assert.deepEqual(found(docker(kind, "inspect", ...ids)), [], kind);
  }
}

test("docker inspect shows secrets of the declared parts alone", () => inInspection(declared));

function inImages() {
  const ids = Object.values(containerIds(place.project));
  const images = new Set(ids.map((id) => docker("inspect", "-f", "{{.Image}}", id)));
  for (const image of images) {
    assert.deepEqual(found(docker("image", "inspect", image)), []);
    const history = docker("history", "--no-trunc", "--format", "{{json .}}", image);
    assert.deepEqual(found(history), []);
  }
}

test("no image holds a secret in its configuration or history", inImages);

function inVolumes() {
  const image = docker("inspect", "-f", "{{.Image}}", containerIds(place.project)["permissions"]!);
  const label = `label=com.docker.compose.project=${place.project}`;
  const volumes = docker("volume", "ls", "-q", "--filter", label).split("\n");
  const read = (volume: string) =>
    bytesOf(
      "docker",
      "run",
      "--rm",
      "--network",
      "none",
      "-v",
      `${volume}:/v:ro`,
      image,
      "/bin/busybox",
      "tar",
      "-c",
      "-C",
      "/v",
      ".",
    );
  for (const volume of volumes) {
    const text = read(volume);
    // The proxy's own, as those that it gets by ACME: a renewed one is taken up from there.
    const own = volume.endsWith("_proxy-settings") ? ["PROXY_KEY"] : [];
    assert.deepEqual(found(text), own, volume);
    if (volume.endsWith("_telemetry")) assert.match(text, /\/v1\/(?:agents|health)/u);
  }
  for (const kind of ["telemetry", "database"])
    assert.ok(volumes.includes(`${place.project}_${kind}`), `no ${kind} to look in`);
}

test(
  "no volume holds a secret but the proxy's its key: telemetry, the server's log, the database's files",
  inVolumes,
);

test("nor with ClickHouse as a service, which has three more of its own", async () => {
  // Datadog itself would be asked whether its key is right.
  const file = join(place.root, "env/prod.secrets.env");
  const lines = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, lines.filter((line) => !line.startsWith("DD_API_KEY=")).join("\n"));
  written.length = 0;
  commandLines.clear();
  const bundled = { CLICKHOUSE_MODE: "bundled", CLICKHOUSE_PUBLISH_PORT: String(firstPort + 8) };
  await watched(() => run(0, "deploy", ["prod", "2.0.0", "--yes", "--verbose"], bundled));
  assert.match(written.join("\n"), /clickhouse/);
  assert.deepEqual(found(written.join("\n")), []);
  inCommandLines();
  inState();
  inLogs();
  inInspection(withClickHouse);
  inImages();
  inVolumes();
});
