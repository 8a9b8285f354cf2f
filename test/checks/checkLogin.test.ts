import assert from "node:assert/strict";
import { test } from "node:test";
import {
  arrivalResult,
  loginResult,
  spaceFinding,
  tablesResult,
} from "../../scripts/checks/checkClickHouse.ts";

const reader = { url: "", user: "ada", password: "", caCertificate: undefined, connect: undefined };
const login = (purpose: "writes" | "reads") => ({
  reader,
  purpose,
  database: "otel",
  setting: "CLICKHOUSE_PASSWORD",
});
const ok = { text: "1", fault: 0 };
const refusal = (fault: number, text = "") => ({ fault, text });

test("a password that ClickHouse does not take is distinguished from a right that is missing", () => {
  const known = loginResult(login("writes"), refusal(516), ok, "on");
  assert.deepEqual([known.outcome, known.next], ["failed", "on"]);
  assert.match(known.detail, /knows no ada with the password of CLICKHOUSE_PASSWORD/);
  const writes = loginResult(login("writes"), ok, { text: "0", fault: 0 }, "on");
  assert.equal(writes.detail, "ada has no INSERT on otel.*");
  const reads = loginResult(login("reads"), ok, refusal(497, "Not enough privileges"), "on");
  assert.equal(reads.detail, "ada has no SELECT on otel.*");
});

test("a ClickHouse that cannot say what a user may do refuses no one", () => {
  assert.match(loginResult(login("writes"), ok, refusal(62), "on").detail, /cannot be asked$/);
  assert.equal(loginResult(login("reads"), ok, refusal(60), "on").detail, "ada");
  assert.equal(loginResult(login("reads"), ok, refusal(81), "on").outcome, "passed");
});

test("any other answer is reported in ClickHouse's own words", () => {
  const { outcome, detail } = loginResult(
    login("reads"),
    refusal(202, "Too many queries\nx"),
    ok,
    "on",
  );
  assert.deepEqual([outcome, detail], ["failed", "ada: ClickHouse answers Too many queries"]);
});

test("tables that are missing are the collector's to make, unless it runs already", () => {
  const expected = ["otel_traces", "otel_logs"];
  const judged = (text: string, runs: boolean) =>
    tablesResult({ text, fault: 0 }, "otel", expected, runs, "on");
  assert.equal(judged("otel_logs\notel_traces\nmine", true).detail, "3 tables in otel");
  assert.equal(judged("", false).outcome, "skipped");
  assert.match(judged("otel_logs", true).detail, /^otel_traces is not in otel, and the collector/);
  assert.equal(tablesResult(refusal(497), "otel", expected, true, "on").outcome, "failed");
});

test("spans that come much later than is set are a queue that is behind", () => {
  const judged = (median: number) => arrivalResult({ portions: 9, median, most: 99 }, 15_000, "on");
  assert.equal(judged(16).outcome, "passed");
  assert.equal(judged(46).outcome, "failed");
  assert.equal(arrivalResult({ portions: 0, median: 0, most: 0 }, 1, "on").outcome, "skipped");
});

test("a disk has too little space by its share if it is small, by its bytes if it is large", () => {
  const gb = 1024 ** 3;
  const judged = (...disks: [free: number, total: number][]) => {
    const text = disks.map(([free, total], index) => `disk${index}\t${free * gb}\t${total * gb}`);
    return spaceFinding({ text: text.join("\n"), fault: 0 }, "on");
  };
  assert.equal(judged([1, 10]).detail, "disk0: 1024 of 10240 MB are free");
  assert.equal(judged([0.4, 10]).outcome, "failed");
  assert.equal(judged([2, 1000]).outcome, "passed");
  assert.match(judged([9, 10], [0.9, 1000]).detail, /^disk1: 922 of 1024000 MB are free; /);
  assert.equal(spaceFinding(refusal(497), "on").outcome, "skipped");
});
