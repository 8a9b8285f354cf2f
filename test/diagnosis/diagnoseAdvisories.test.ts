import assert from "node:assert/strict";
import { test } from "node:test";
import { diagnoseAdvisories } from "../../scripts/diagnosis/diagnoseAdvisories.ts";

const doors = (hosts: Readonly<Record<string, string[]>>, asksForPassword = false) => ({
  publishedAt: (service: string) => hosts[service] ?? [],
  asksForPassword,
});

test("an advisory ends with the version that closes it", () => {
  const ids = (version: string) =>
    diagnoseAdvisories("collector", version, doors({}), "on").detail.match(/CVE-[\d-]+/g) ?? [];
  assert.deepEqual(ids("0.96.0"), ["CVE-2024-36129", "CVE-2023-45288"]);
  assert.deepEqual(ids("0.98.0"), ["CVE-2024-36129"]);
  assert.deepEqual(ids("0.102.0"), ["CVE-2024-36129"]);
  assert.deepEqual(ids("0.102.1"), []);
});

test("a collector that other hosts reach is not kept from harm", () => {
  const shut = doors({ collector: ["127.0.0.1", "127.0.0.1"] });
  assert.equal(diagnoseAdvisories("collector", "0.96.0", shut, "on").outcome, "passed");
  const open = doors({ collector: ["127.0.0.1", "0.0.0.0"] }, true);
  const { outcome, next, notes } = diagnoseAdvisories("collector", "0.96.0", open, "on");
  assert.deepEqual([outcome, next], ["failed", "on"]);
  assert.ok(notes.every((line) => line.includes("open to 0.0.0.0")));
});

test("a server behind an open proxy needs a password", () => {
  const hosts = { proxy: ["0.0.0.0"] };
  const judged = (asks: boolean) =>
    diagnoseAdvisories("server", "0.16.8", doors(hosts, asks), "on");
  assert.equal(judged(false).outcome, "failed");
  assert.equal(judged(true).outcome, "passed");
  assert.match(judged(true).detail, /CVE-2025-51482.*needs the password/);
});

test("every advisory names its source", () => {
  for (const [of, version] of [
    ["collector", "0.96.0"],
    ["server", "0.16.8"],
  ] as const) {
    for (const line of diagnoseAdvisories(of, version, doors({}), "on").notes) {
      assert.match(line, /^CVE-[\d-]+: .+ \((?:GHSA|GO|NVD).+\); here /);
    }
  }
});

test("a version that is none cannot be compared", () => {
  assert.equal(diagnoseAdvisories("server", "latest", doors({}), "on").outcome, "skipped");
});
