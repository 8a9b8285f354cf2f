import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Engine } from "../../scripts/docker/engine.ts";
import { fileSink, readBack, type Sink, tableSink } from "../../scripts/checks/readBack.ts";

const now = () => performance.now();
const requested = { what: "canary_00ff", by: "name", sinceMs: 1_767_323_045_006 } as const;
const sink = {
  exporter: "clickhouse",
  endpoint: "http://clickhouse:8123",
  database: "otel",
  tables: { traces: "otel_traces", metrics: "otel_metrics_gauge", logs: "otel_logs" },
};

interface Taken {
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly query: string;
}

/** A ClickHouse that gives these answers, the last one again and again. */
async function clickHouse(...answers: readonly (readonly [status: number, body: string])[]) {
  const taken: Taken[] = [];
  const server = createServer(async (asked, reply) => {
    const query = Buffer.concat(await asked.toArray()).toString();
    taken.push({ url: new URL(asked.url!, "http://here"), headers: asked.headers, query });
    const [status, body] = answers[Math.min(taken.length, answers.length) - 1]!;
    reply.writeHead(status).end(body);
  }).listen(0, "127.0.0.1");
  after(() => server.close());
  await once(server, "listening");
  const reader = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    user: "otel_reader",
    password: "p$s's#",
    caCertificate: undefined,
    connect: undefined,
  };
  return { taken, reader };
}

test("a row is asked for by its name as a parameter, its reader named in headers and nowhere else", async () => {
  const { taken, reader } = await clickHouse([200, "1\n"]);
  assert.equal(await tableSink(sink, "metrics", reader).has(requested), true);
  const { url, headers, query } = taken[0]!;
  assert.equal(headers["x-clickhouse-user"], "otel_reader");
  assert.equal(headers["x-clickhouse-key"], "p$s's#");
  assert.equal(headers["x-clickhouse-database"], "otel");
  assert.match(query, /FROM `otel_metrics_gauge` WHERE .*MetricName = \{what:String\}/);
  assert.deepEqual(Object.fromEntries(url.searchParams), {
    param_what: "canary_00ff",
    param_since: "1767323045006",
  });
  assert.ok(!`${url}${query}`.includes("otel_reader") && !query.includes("canary_00ff"));
});

test("each signal is asked for in its own table, a visitor among a span's attributes", async () => {
  const { taken, reader } = await clickHouse([200, "0\n"]);
  await tableSink(sink, "traces", reader).has(requested);
  await tableSink(sink, "logs", reader).has(requested);
  await tableSink(sink, "traces", reader).has({ ...requested, by: "attribute" });
  const [trace, log, span] = taken.map((one) => one.query);
  assert.match(trace!, /`otel_traces`.*TraceId = \{what:String\}/);
  assert.match(log!, /`otel_logs`.*Body = \{what:String\}/);
  assert.match(span!, /`otel_traces`.*has\(mapValues\(SpanAttributes\), \{what:String\}\)/);
});

test("what is not there yet is waited for, a table that no one made yet too", async () => {
  const noTable = "Code: 60. DB::Exception: Table otel.otel_logs does not exist. (UNKNOWN_TABLE)";
  const { reader } = await clickHouse([404, noTable], [200, "0\n"], [200, "1\n"]);
  const seen = await readBack([tableSink(sink, "logs", reader)], requested, 5000, now);
  assert.match(seen, /^read back from otel_logs in ClickHouse after \d\.\d s$/);
});

test("a reader that ClickHouse does not know ends the wait at once, with its words", async () => {
  const words = "Code: 516. DB::Exception: reader: Authentication failed. (AUTHENTICATION_FAILED)";
  const { taken, reader } = await clickHouse([403, words]);
  await assert.rejects(
    readBack([tableSink(sink, "logs", reader)], requested, 60_000, now),
    /ClickHouse answered Code: 516.*AUTHENTICATION_FAILED/,
  );
  assert.equal(taken.length, 1);
});

const having = (name: string, has: boolean): Sink => ({ name, has: async () => has });

test("it has to come to every sink; each it did not come to is named, with the time it was given", async () => {
  const sinks = [having("a", true), having("b", false), having("c", false)];
  await assert.rejects(readBack(sinks, requested, 200, now), {
    message:
      "expected canary_00ff in b within 0.2 s, it did not come; " +
      "expected canary_00ff in c within 0.2 s, it did not come",
  });
  assert.match(await readBack(sinks.slice(0, 1), requested, 200, now), /^read back from a after/);
});

/** An engine whose containers are this machine, with its busybox's applets as /probe/busybox. */
function here(folder: string): Engine {
  const bin = join(folder, "probe");
  mkdirSync(bin);
  writeFileSync(join(bin, "busybox"), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
  return {
    exec: async (_id: string, [, ...argv]: readonly string[]) => {
      const own = argv.map((one) => (one === "/probe/busybox" ? join(bin, "busybox") : one));
      const done = spawnSync(own[0]!, own.slice(1), { encoding: "utf8" });
      return { code: done.status ?? -1, stdout: done.stdout, stderr: done.stderr };
    },
  } as Partial<Engine> as Engine;
}

test("a file is searched at its end, and in the one that was full in the meantime", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sink ")); // a space, as paths have them
  after(() => rmSync(folder, { recursive: true }));
  const file = fileSink(join(folder, "logs.json"), "any", here(folder));
  const put = (name: string, text: string, ageSeconds: number) => {
    writeFileSync(join(folder, name), text);
    const then = Date.now() / 1000 - ageSeconds;
    utimesSync(join(folder, name), then, then);
  };
  assert.equal(await file.has(requested), false);
  put("logs.json", `${"x".repeat(1000)}\n{"body":"canary_00ff"}\n`, 0);
  assert.equal(await file.has(requested), true);
  put("logs.json", "just begun\n", 0);
  assert.equal(await file.has(requested), false);
  put("logs-2026-01-02T03-04-05.006.json", `{"body":"canary_00ff"}\n`, 1);
  assert.equal(await file.has(requested), true);
  put("logs-2026-01-02T03-04-05.006.json", "nothing\n", 1);
  put("mylogs.json", "canary_00ff\n", 0);
  put("logs-json", "canary_00ff\n", 0);
  assert.equal(await file.has(requested), false);
});

test("what is searched for is a text, not a pattern and no option", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sink-"));
  after(() => rmSync(folder, { recursive: true }));
  const file = fileSink(join(folder, "logs.json"), "any", here(folder));
  writeFileSync(join(folder, "logs.json"), 'a-v "$(id)" b\n');
  for (const [what, isThere] of [
    ['-v "$(id)"', true],
    ["a.v", false],
    [".*", false],
  ] as const) {
    assert.equal(await file.has({ ...requested, what }), isThere, what);
  }
});

test("a folder that cannot be read is a failure with the words of the program that tried", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sink-"));
  after(() => rmSync(folder, { recursive: true }));
  symlinkSync("/nowhere", join(folder, "gone"));
  const file = fileSink(join(folder, "gone", "logs.json"), "any", here(folder));
  await assert.rejects(file.has(requested), /logs\.json cannot be read: .*(can't cd|No such)/);
});
