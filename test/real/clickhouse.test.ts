// Who may do what in a bundled ClickHouse: the users of compose/clickhouse.yaml on the real
// engine behind docker/clickhouse, which judges grants itself; the official server reads the
// same file.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import { requestFigures, type RequestSource } from "../../scripts/deploy/requestFigures.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { bundledClickHouse, exampleStack, exampleValues, lookupOf } from "../stack/exampleStack.ts";

const root = join(import.meta.dirname, "..", "..");
const folder = mkdtempSync(join(tmpdir(), "clickhouse-users-"));
const container = `letta-test-clickhouse-${process.pid}`;
const passwords = {
  CLICKHOUSE_PASSWORD: "w$riter#'%0123",
  CLICKHOUSE_READER_PASSWORD: "0123456789",
  CLICKHOUSE_ADMIN_PASSWORD: "admin-5d3a-88",
};
let url = "";

function docker(...args: string[]): string {
  const found = spawnSync("docker", args, {
    encoding: "utf8",
    env: { ...process.env, ...passwords },
  });
  assert.equal(found.status, 0, `docker ${args[0]}: ${found.stderr}`);
  return found.stdout.trim();
}

before(async () => {
  const configs = exampleStack("dev", bundledClickHouse).model["configs"] as ValueMap;
  const { content } = configs["clickhouse_users"] as { content: string };
  writeFileSync(join(folder, "users.xml"), content.replaceAll("$$", "$"));
  const recipe = recipes("dev", lookupOf(exampleValues("dev"))).find(
    (one) => one.role === "clickhouse",
  )!;
  const mount = `${folder}/users.xml:/etc/clickhouse-server/users.d/letta-stack.xml:ro`;
  const names = Object.keys(passwords).flatMap((name) => ["-e", name]);
  const image = contentTag(root, recipe);
  docker("run", "-d", "--name", container, "-p", "127.0.0.1::8123", "-v", mount, ...names, image);
  url = `http://${docker("port", container, "8123")}/`;
  // Its program is half a gigabyte, which a cold disk has taken more than twenty seconds for.
  for (let tries = 0; tries < 600; tries++) {
    if ((await fetch(`${url}ping`).catch(() => undefined))?.ok) return;
    await sleep(200);
  }
  assert.fail(`ClickHouse did not come up: ${docker("logs", container)}`);
});

after(() => {
  spawnSync("docker", ["rm", "-f", "-v", container]);
  rmSync(folder, { recursive: true });
});

async function ask(user: string, password: string, query: string, database = "default") {
  const reply = await fetch(`${url}?database=${database}`, {
    method: "POST",
    headers: { "X-ClickHouse-User": user, "X-ClickHouse-Key": password },
    body: query,
  });
  return { status: reply.status, text: (await reply.text()).trim() };
}

const write = (query: string, database?: string) =>
  ask("otel_writer", passwords.CLICKHOUSE_PASSWORD, query, database);
const read = (query: string, database?: string) =>
  ask("otel_reader", passwords.CLICKHOUSE_READER_PASSWORD, query, database);
const administer = (query: string) => ask("admin", passwords.CLICKHOUSE_ADMIN_PASSWORD, query);

test("who writes may create tables and insert, whatever characters the password has", async () => {
  assert.equal((await write("CREATE DATABASE IF NOT EXISTS otel")).status, 200);
  const table = "CREATE TABLE IF NOT EXISTS t (a String) ENGINE = MergeTree ORDER BY a";
  assert.equal((await write(table, "otel")).status, 200);
  const row = 'INSERT INTO t FORMAT JSONEachRow\n{"a":"DROP TABLE t; SELECT file(1)"}\n';
  assert.deepEqual(await write(row, "otel"), { status: 200, text: "" });
});

test("who reads sees the rows and changes none", async () => {
  assert.equal((await read("SELECT count() FROM t", "otel")).text, "1");
  for (const query of [
    "INSERT INTO t VALUES ('b')",
    "DROP TABLE t",
    "ALTER TABLE t DELETE WHERE 1",
    "CREATE TABLE u (a String) ENGINE = Memory",
    "/* SELECT */ TRUNCATE TABLE t",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "SET max_threads = 1",
  ]) {
    const { status, text } = await read(query, "otel");
    assert.equal(status, 403, `${query}: ${status} ${text}`);
    assert.match(text, /Not enough privileges/);
  }
  assert.equal((await read("SELECT count() FROM t", "otel")).text, "1");
});

test("who writes takes nothing away", async () => {
  for (const query of ["DROP TABLE t", "TRUNCATE TABLE t", "ALTER TABLE t DROP COLUMN a"]) {
    assert.equal((await write(query, "otel")).status, 403, query);
  }
});

test("the administrator may do all, and no one gets in without a password", async () => {
  assert.equal((await administer("DROP TABLE otel.t")).status, 200);
  for (const [user, password] of [
    ["default", ""],
    ["admin", ""],
    ["otel_reader", passwords.CLICKHOUSE_PASSWORD],
    ["otel_writer", passwords.CLICKHOUSE_READER_PASSWORD],
  ] as const) {
    assert.equal((await ask(user, password, "SELECT 1")).status, 403, user);
  }
});

test("who reads counts requests as the collector's file would: failures, p95, without the tool's own", async () => {
  const delivery = readDelivery(`exporters: { clickhouse: { database: otel } }
service: { pipelines: { traces: { receivers: [otlp], exporters: [clickhouse] } } }`);
  const reader = { user: "otel_reader", password: passwords.CLICKHOUSE_READER_PASSWORD };
  const source = {
    project: "none",
    collectors: [],
    delivery,
    clickHouse: { url: new URL(url).origin, caCertificate: undefined, ...reader },
    server: { versionPath: "/v1/health/" },
  } as unknown as RequestSource;
  const from = Date.UTC(2026, 0, 2);
  const count = () => {
    const stretches = [0, 10_000].map((ms) => ({ fromMs: from + ms, toMs: from + ms + 10_000 }));
    return requestFigures(stretches, source, "ours", {} as Engine);
  };
  await assert.rejects(count(), /ClickHouse answered/);
  const map = "Map(LowCardinality(String), String)";
  await write(
    `CREATE TABLE otel_traces (Timestamp DateTime64(9), Duration Int64, StatusCode String,
      ParentSpanId String, SpanKind String, ServiceName String, SpanName String,
      SpanAttributes ${map}, ResourceAttributes ${map}) ENGINE = MergeTree ORDER BY Timestamp`,
    "otel",
  );
  const span = (ms: number, took: number, otherwise: object = {}) => ({
    Timestamp: new Date(from + ms).toISOString().slice(0, -1).replace("T", " "),
    Duration: String(took * 1e6),
    StatusCode: "STATUS_CODE_UNSET",
    ParentSpanId: "",
    SpanKind: "SPAN_KIND_SERVER",
    ServiceName: "letta-server",
    SpanName: "GET /v1/blocks/",
    SpanAttributes: {},
    ResourceAttributes: { "device.id": "ours" },
    ...otherwise,
  });
  const spans = [
    ...Array.from({ length: 100 }, (_, index) => span(index, 1 + index)),
    span(10_000, 20, { StatusCode: "STATUS_CODE_ERROR" }),
    span(10_001, 20, { StatusCode: "Error", SpanKind: "Server" }),
    span(10_002, 20, { SpanAttributes: { "http.status_code": "500" } }),
    span(10_003, 20, { SpanAttributes: { "http.response.status_code": "404" } }),
    span(19_990, 20),
    span(10_004, 20, { ResourceAttributes: { "device.id": "theirs" } }),
    span(10_004, 20, { SpanName: "GET /v1/health/" }),
    span(10_004, 20, { SpanKind: "SPAN_KIND_CLIENT" }),
    span(10_004, 20, { ParentSpanId: "0a" }),
    span(10_004, 20, { ServiceName: "letta-stack" }),
    span(10_004, 20, { SpanAttributes: { client: "letta-stack-canary/00" } }),
    span(10_004, 20, { SpanAttributes: { "http.user_agent": "letta-stack-check/00" } }),
  ].map((one) => JSON.stringify(one));
  const inserted = await write(
    `INSERT INTO otel_traces FORMAT JSONEachRow\n${spans.join("\n")}\n`,
    "otel",
  );
  assert.deepEqual(inserted, { status: 200, text: "" });
  const reported = (await count()).map(({ requests, errors, p95Ms }) => [requests, errors, p95Ms]);
  assert.deepEqual(reported, [
    [100, 0, 96],
    [4, 3, 20],
  ]);
});

/** Asks as the one who administers, with more in the address. @returns the answer's bytes */
async function askRaw(
  more: string,
  body: string | Buffer<ArrayBuffer>,
  password = passwords.CLICKHOUSE_ADMIN_PASSWORD,
) {
  const headers = { "X-ClickHouse-User": "admin", "X-ClickHouse-Key": password };
  const reply = await fetch(`${url}?${more}`, { method: "POST", headers, body });
  return { status: reply.status, bytes: Buffer.from(await reply.arrayBuffer()) };
}

test("with compress=1 an answer and an error are frames, and a refusal at the login is not", async () => {
  for (const [query, status] of [
    ["SELECT number FROM numbers(400000)", 200],
    ["SELECT nothing", 404],
  ] as const) {
    const { status: found, bytes } = await askRaw("compress=1", query);
    assert.equal(found, status);
    let size = 0;
    let at = 0;
    for (; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 17)) {
      assert.equal(bytes[at + 16], 0x82);
      size += bytes.readUInt32LE(at + 21);
    }
    assert.equal(at, bytes.length);
    const plain = await askRaw("", query);
    assert.equal(size, plain.bytes.length);
  }
  const refused = await askRaw("compress=1", "SELECT 1", "wrong");
  assert.equal(refused.status, 403);
  assert.match(refused.bytes.toString(), /^Code: 516\. /);
});

test("frames that are interrupted or changed on the way are refused, and nothing of them is inserted", async () => {
  await askRaw("", "CREATE TABLE frames (a String) ENGINE = Memory");
  const query = encodeURIComponent("INSERT INTO frames FORMAT LineAsString");
  const { bytes } = await askRaw("compress=1", "SELECT 'a line'");
  const changed = Buffer.from(bytes);
  changed[0]! ^= 1;
  for (const [body, reported] of [
    [bytes.subarray(0, 20), /a frame is cut off/],
    [bytes.subarray(0, -1), /a size that cannot be/],
    [changed, /checksum is wrong/],
  ] as const) {
    const refused = await askRaw(`decompress=1&query=${query}`, body);
    assert.equal(refused.status, 500);
    assert.match(refused.bytes.toString(), reported);
  }
  assert.equal((await askRaw("", "SELECT count() FROM frames")).bytes.toString(), "0\n");
  assert.equal((await askRaw(`decompress=1&query=${query}`, bytes)).status, 200);
  assert.equal((await askRaw("", "SELECT a FROM frames")).bytes.toString(), "a line\n");
});
