import assert from "node:assert/strict";
import { test } from "node:test";
import { validRange } from "semver";
import {
  advisories,
  checkAdvisories,
  type Exposure,
} from "../../scripts/checks/checkAdvisories.ts";

const exposed = (
  hosts: Readonly<Record<string, string[]>>,
  over: Partial<Exposure> = {},
): Exposure => ({
  publishedAt: (service) => hosts[service] ?? [],
  segmentReaches: false,
  asksForPassword: false,
  isQuarantined: false,
  components: ["otlp", "batch", "file"],
  ...over,
});
const shut = exposed({ collector: ["127.0.0.1", "127.0.0.1"], postgres: ["127.0.0.1"] });

const ids = (of: "collector" | "server" | "pgvector", version: string) =>
  checkAdvisories(of, version, shut, "on").map((one) => one.name.split(" ")[0]);

test("an advisory ends with the version that closes it", () => {
  const [bomb, headers, token, firehose] = [
    "CVE-2024-36129",
    "CVE-2023-45288",
    "CVE-2024-42368",
    "CVE-2024-45043",
  ];
  assert.deepEqual(ids("collector", "0.96.0"), [bomb, headers, token, firehose]);
  assert.deepEqual(ids("collector", "0.98.0"), [bomb, token, firehose]);
  assert.deepEqual(ids("collector", "0.102.0"), [bomb, token, firehose]);
  assert.deepEqual(ids("collector", "0.102.1"), [token, firehose]);
  assert.deepEqual(ids("collector", "0.107.0"), [firehose]);
  assert.deepEqual(ids("pgvector", "0.8.1"), ["CVE-2026-3172"]);
});

test("a version without any is reported with the day on which that was looked up", () => {
  const [one, ...others] = checkAdvisories("collector", "0.161.0", shut, "on");
  assert.deepEqual(
    [one?.name, one?.outcome, others],
    ["advisories of the collector", "passed", []],
  );
  assert.match(one?.detail ?? "", /^none is known of 0\.161\.0 \(looked up \d{4}-\d\d-\d\d\)$/);
  assert.equal(checkAdvisories("pgvector", "0.8.2", shut, "on")[0]?.outcome, "passed");
});

test("a collector that other hosts reach is not harmless, its password or not", () => {
  const open = exposed({ collector: ["127.0.0.1", "0.0.0.0"] }, { asksForPassword: true });
  const failed = checkAdvisories("collector", "0.96.0", open, "on").filter(
    (one) => one.outcome === "failed",
  );
  assert.deepEqual(
    failed.map((one) => [one.name, one.next]),
    [
      ["CVE-2024-36129 (collector 0.96.0)", "on"],
      ["CVE-2023-45288 (collector 0.96.0)", "on"],
    ],
  );
  assert.ok(failed.every((one) => one.detail.endsWith("open to other hosts at 0.0.0.0")));
  const closed = checkAdvisories("collector", "0.96.0", shut, "on");
  assert.ok(closed.every((one) => one.outcome === "passed" && one.next === null));
});

test("what is fixed in the image built here is harmless there, and in no pulled one", () => {
  const judged = (version: string, isQuarantined: boolean) =>
    checkAdvisories("collector", version, exposed({ collector: ["::"] }, { isQuarantined }), "on")
      .filter((one) => one.outcome === "failed")
      .map((one) => one.name.split(" ")[0]);
  assert.deepEqual(judged("0.96.0", true), []);
  assert.deepEqual(judged("0.97.0", true), ["CVE-2024-36129", "CVE-2023-45288"]);
  assert.deepEqual(judged("0.96.0", false), ["CVE-2024-36129", "CVE-2023-45288"]);
});

test("the fault of a component counts where the configuration has that component", () => {
  const hosts = { collector: ["10.0.0.2"] };
  const token = (components: string[]) =>
    checkAdvisories("collector", "0.106.0", exposed(hosts, { components }), "on").find((one) =>
      one.name.startsWith("CVE-2024-42368"),
    );
  assert.match(token(["otlp"])?.detail ?? "", /no bearertokenauth in its configuration$/);
  assert.equal(token(["otlp"])?.outcome, "passed");
  assert.equal(token(["otlp", "bearertokenauth"])?.outcome, "failed");
});

test("a server behind an open proxy needs a password", () => {
  const judged = (asksForPassword: boolean) =>
    checkAdvisories("server", "0.16.8", exposed({ proxy: ["::"] }, { asksForPassword }), "on");
  assert.ok(judged(false).every((one) => one.outcome === "failed"));
  assert.ok(judged(true).every((one) => one.outcome === "passed"));
  const run = judged(true).find((one) => one.name.startsWith("CVE-2025-51482"));
  assert.match(run?.detail ?? "", /a request needs the password$/);
});

test("a password of the server does not close an open database", () => {
  const open = exposed({ postgres: ["0.0.0.0"] }, { asksForPassword: true });
  assert.equal(checkAdvisories("pgvector", "0.8.1", open, "on")[0]?.outcome, "failed");
});

test("every advisory is reported once, with its versions and its source", () => {
  const { known, lookedUp } = advisories;
  assert.match(lookedUp, /^\d{4}-\d\d-\d\d$/);
  assert.equal(new Set(known.map((one) => one.id)).size, known.length);
  for (const one of known) {
    assert.match(one.id, /^CVE-\d{4}-\d{4,}$/);
    assert.ok(validRange(one.affects) !== null, one.affects);
    assert.match(one.source, /GHSA-|GO-\d|NVD|CVE record/);
  }
  for (const { notes } of checkAdvisories("server", "0.16.8", shut, "on")) {
    assert.match(notes[0] ?? "", /^versions .+: .+/);
  }
});

test("a version that is none, or that no one knows, cannot be compared", () => {
  for (const version of ["latest", ""]) {
    const [one] = checkAdvisories("server", version, shut, "on");
    assert.deepEqual([one?.name, one?.outcome], ["advisories of the server", "skipped"]);
  }
});

test("where the network segment reaches 127.0.0.1, no finding says that no other host does", () => {
  const near = exposed({ collector: ["127.0.0.1"] }, { segmentReaches: true });
  for (const { detail } of checkAdvisories("collector", "0.98.0", near, "on"))
    assert.doesNotMatch(detail, /no other host/u);
  const published = exposed({}, { segmentReaches: true });
  assert.match(
    checkAdvisories("collector", "0.98.0", published, "on")[0]!.detail,
    /no other host/u,
  );
});

test("the advisory of code execution tells what that code reads", () => {
  const [run] = checkAdvisories("server", "0.16.8", shut, "on").filter((one) =>
    one.name.startsWith("CVE-2025-51482"),
  );
  const reported = run!.notes.join("\n");
  for (const what of ["provider key", "LETTA_ENCRYPTION_KEY", "database"])
    assert.ok(reported.includes(what), reported);
});
