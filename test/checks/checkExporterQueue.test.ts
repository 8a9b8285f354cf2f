import assert from "node:assert/strict";
import { test } from "node:test";
import { checkExporterQueue, parseQueueFolder } from "../../scripts/checks/checkCollector.ts";

const next = { bringUp: "up", verify: "verify" };
const whole = "file exporter_clickhouse__traces 32768 ed0cdaed";

/** What the look in the container writes. */
function seen(parts: { may?: 0 | 1; freeKb?: number; files?: string } = {}) {
  const { may = 1, freeKb = 40_000_000, files = whole } = parts;
  return parseQueueFolder(
    `folder 755 10001:10001 ${may}\ndisk /dev/vda 264212084 49628824 ${freeKb} 52% /var/lib/otelcol\n${files}\n`,
  );
}

const judged = (folder: ReturnType<typeof seen>, size = 0) =>
  checkExporterQueue(folder, [{ exporter: "clickhouse", size, capacity: 2000 }], next);

test("a queue that can be written to and has space passes", () => {
  assert.deepEqual(judged(seen()), {
    outcome: "passed",
    detail: "1 files, 32 KB, nothing waits",
    next: null,
    notes: [],
  });
});

test("a directory that is missing, closed, or on a full disk takes nothing", () => {
  assert.match(judged(parseQueueFolder("none\n")).detail, /is not there/);
  assert.match(judged(seen({ may: 0 })).detail, /mode 755 and owner 10001:10001: .* cannot write/);
  assert.match(judged(seen({ freeKb: 100_000 })).detail, /^98 MB free \(52 % used\)/);
  assert.match(judged(seen({ freeKb: 0 })).detail, /^its disk is full: .* lost$/);
});

test("a damaged file, and one that was moved aside, are recognised by name", () => {
  const damaged = judged(seen({ files: "file exporter_clickhouse__traces 32768 00000000" }));
  assert.match(damaged.detail, /^exporter_clickhouse__traces: damaged/);
  const quarantined = judged(
    seen({ files: `${whole}\nfile exporter_clickhouse__logs.backup 99 00000000` }),
  );
  assert.equal(quarantined.next, "verify");
  assert.match(quarantined.detail, /lost: exporter_clickhouse__logs\.backup \(99 bytes\)$/);
  assert.equal(judged(seen({ files: `${whole}\nfile tempdb123 99 ed0cdaed` })).outcome, "passed");
});

test("a queue above 60 % is nearly full, one below tells what waits", () => {
  assert.match(judged(seen(), 1201).detail, /^nearly full: clickhouse 1201 of 2000/);
  assert.match(judged(seen(), 1200).detail, /clickhouse 1200 of 2000 batches wait$/);
});
