import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { copyIntoSchema } from "../../scripts/database/copyIntoSchema.ts";
import { copyDatabase } from "../../scripts/database/makeDatabase.ts";
import { dump } from "../../scripts/database/dump.ts";
import { type DatabaseServer, externalServer, interruptible } from "../../scripts/database/sql.ts";
import { marksOf } from "../../scripts/database/databaseNames.ts";
import { readDump, restoreDump } from "../../scripts/database/restoreDump.ts";
import { converse } from "../../scripts/docker/demux.ts";
import type { OneShot } from "../../scripts/docker/engine.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

const mark = marksOf("f00dfacef00dface", { id: "000003", run: "0123456789abcdef" })("rehearsal");
const content = "a dump";
const path = join(mkdtempSync(join(tmpdir(), "letta-interrupted-")), "a.dump");
writeFileSync(path, content);
const locale = { encoding: "UTF8", collate: "C", ctype: "C", provider: null, locale: null };
const own = { settings: [], grants: null, locale };
const manifest = {
  ...own,
  sha256: createHash("sha256").update(content).digest("hex"),
  bytes: content.length,
  rows: {},
};

const place = { uri: "postgresql://me:secret123456@db/letta", image: "i", network: "bridge" };

/**
 * A server of which one client goes on until its session is ended.
 * @param hangs which one, by its program and its script
 */
function endless(hangs: RegExp) {
  const asked: string[] = [];
  const stop = new AbortController();
  let hanging: { name: string; end: () => void } | undefined;
  const run = async ({ entrypoint, stdin, environment }: OneShot) => {
    const script = typeof stdin === "string" ? stdin : "";
    const said = `${entrypoint[0]} ${script}`;
    asked.push(said);
    if (hangs.test(said)) {
      await new Promise<void>((end) => {
        hanging = { name: environment!["PGAPPNAME"]!, end };
        stop.abort();
      });
      return { code: 1, stdout: "", stderr: "terminating connection" };
    }
    if (script.includes("pg_terminate_backend") && script.includes(`'${hanging?.name}'`))
      hanging!.end();
    const row = script.includes("shobj_description")
      ? { name: "letta_rehearsal", bytes: 1, comment: `letta-stack ${JSON.stringify(mark)}` }
      : { bytes: 1e9, version: 170_000, own, objects: 0 };
    return { code: 0, stdout: `${JSON.stringify(row)}\n`, stderr: "" };
  };
  const server = externalServer({ ...simulatedEngine(), run }, place);
  return { server, signal: stop.signal, asked };
}

const long: readonly [
  name: string,
  hangs: RegExp,
  work: (server: DatabaseServer, signal: AbortSignal) => Promise<unknown>,
  left: RegExp | undefined,
][] = [
  [
    "a dump",
    /pg_export_snapshot/,
    (server, signal) =>
      dump(interruptible(server, signal), {
        database: "letta",
        path: `${path}.2`,
        revisionQuery: "SELECT 1",
      }),
    undefined,
  ],
  [
    "a copy",
    /TEMPLATE "letta"/,
    (server, signal) => copyDatabase(server, "letta", mark, signal),
    /DROP DATABASE IF EXISTS "letta_making_f00dfacef00dface"/,
  ],
  [
    "a restore",
    /^pg_restore/,
    (server, signal) => restoreDump(server, { path, manifest }, mark, signal),
    /DROP DATABASE IF EXISTS "letta_rehearsal"/,
  ],
  [
    "the carrying of rows",
    /^pg_restore/,
    (server, signal) =>
      copyIntoSchema(server, {
        from: "letta",
        dump: { path, manifest },
        mark,
        fromDump: [],
        signal,
      }),
    /DROP DATABASE IF EXISTS "letta_rehearsal"/,
  ],
];

for (const [name, hangs, work, left] of long) {
  test(`${name} that is interrupted ends, and drops what it has begun`, async () => {
    const { server, signal, asked } = endless(hangs);
    await assert.rejects(work(server, signal), { name: "AbortError" });
    const after = asked.slice(asked.findIndex((one) => hangs.test(one)) + 1);
    if (left !== undefined)
      assert.ok(
        after.some((one) => left.test(one)),
        after.join("\n"),
      );
  });
}

for (const [name, connectsFirst] of [
  ["while pg_restore takes nothing", true],
  ["before pg_restore is connected", false],
] as const) {
  // pg_restore without a database has no session that could be ended.
  test(`a dump that is read through is left ${name}`, { timeout: 30_000 }, async () => {
    const stop = new AbortController();
    const run = async ({ stdin }: OneShot) => {
      const [stream] = duplexPair();
      setImmediate(() => stop.abort());
      if (!connectsFirst) await once(stop.signal, "abort").then(() => turn());
      return { code: 0, ...(await converse(stream, { stdin: stdin! })) };
    };
    const server = externalServer({ ...simulatedEngine(), run }, place);
    await assert.rejects(readDump(server, { path, manifest }, stop.signal), { name: "AbortError" });
  });
}

test("a dump is not even compared with its manifest after an interruption", async () => {
  let ran = false;
  const run = () => ((ran = true), Promise.resolve({ code: 0, stdout: "", stderr: "" }));
  const server = externalServer({ ...simulatedEngine(), run }, place);
  const other = { ...manifest, sha256: "00".repeat(32) };
  const signal = AbortSignal.abort();
  await assert.rejects(readDump(server, { path, manifest: other }, signal), { name: "AbortError" });
  assert.equal(ran, false);
});
