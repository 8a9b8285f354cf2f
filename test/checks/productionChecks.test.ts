import assert from "node:assert/strict";
import { test } from "node:test";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import type { Check } from "../../scripts/checks/check.ts";
import { collectorMetrics, readMetrics } from "../../scripts/checks/collectorClient.ts";
import { productionChecks } from "../../scripts/checks/productionChecks.ts";
import type { CollectorVerification } from "../../scripts/checks/checkTelemetryFlow.ts";
import { backends } from "../stack/backends.ts";
import { composed } from "../stack/composed.ts";

const mebi = 1024 ** 2;
const delivery = readDelivery(composed("prod", backends["clickhouse+datadog"]));
const route: Check = { name: "clickhouse traces", outcome: "passed", detail: "1 sent" };

/** What a collector that does well shows, otherwise where a test says so. */
function shows(otherwise: Readonly<Record<string, number>> = {}) {
  const all = {
    process_uptime: 100,
    process_memory_rss: 400 * mebi,
    processor_batch_batch_send_size_sum: 90,
    processor_batch_batch_send_size_count: 30,
    processor_batch_timeout_trigger_send: 29,
    processor_batch_batch_size_trigger_send: 1,
    'exporter_sent_metric_points{exporter="datadog"}': 50,
    ...otherwise,
  };
  const lines = Object.entries(all).map(([name, value]) => `otelcol_${name} ${value}`);
  return collectorMetrics(readMetrics(lines.join("\n")));
}
const later = {
  process_uptime: 110,
  processor_batch_batch_send_size_count: 33,
  'exporter_sent_metric_points{exporter="datadog"}': 51,
};

function verification(parts: Partial<CollectorVerification> = {}): CollectorVerification {
  const collector = { service: "collector", published: new Map(), memoryLimit: 1536 * mebi };
  const [before, after] = [shows(), shows(later)];
  return { collector, checks: [route], routes: [route], before, after, ...parts };
}

async function judged(verifications: readonly CollectorVerification[], promised = delivery) {
  const checks = await productionChecks(
    verifications,
    promised,
    async () => "200 on 127.0.0.1:13133",
  );
  return new Map(checks.map((one) => [one.name, one]));
}

test("the six are there by name, and pass where all is well but the one that is asked for apart", async () => {
  const checks = await judged([verification()]);
  const skipped = "only with --failover";
  assert.deepEqual(
    [...checks.values()].map(({ name, outcome, detail }) => [name, outcome, detail]),
    [
      ["exporters sending", "passed", "clickhouse traces"],
      ["health endpoint", "passed", "200 on 127.0.0.1:13133"],
      ["memory within limit", "passed", "400 MiB, 26 % of 1536 MiB"],
      [
        "batch processing",
        "passed",
        "33 sent (29 after 10 s, 1 full), 2.7 items each of at most 8192",
      ],
      ["Datadog reporting", "passed", "1 metric points sent, 0 items failed"],
      ["failover and retry", "skipped", skipped],
    ],
  );
});

test("exporters that do not deliver are counted and named; a skipped one does not count as delivering", async () => {
  const failed: Check = { name: "datadog logs", outcome: "failed", detail: "" };
  const skipped: Check = { name: "datadog metrics", outcome: "skipped", detail: "" };
  const check = (await judged([verification({ routes: [route, failed, skipped] })])).get(
    "exporters sending",
  );
  assert.equal(check?.outcome, "failed");
  assert.equal(check?.detail, "2 of 3 do not deliver: datadog logs, datadog metrics");
  assert.equal(
    (await judged([verification({ routes: [] })])).get("exporters sending")?.outcome,
    "failed",
  );
});

test("four fifths of the container's memory are too much, and no limit at all is none retained", async () => {
  const memory = async (parts: Partial<CollectorVerification>) =>
    (await judged([verification(parts)])).get("memory within limit")!;
  const rss = (mebibytes: number) => ({
    after: shows({ ...later, process_memory_rss: mebibytes * mebi }),
  });
  assert.equal((await memory(rss(1228))).outcome, "passed");
  const full = await memory(rss(1229));
  assert.equal(full.outcome, "failed");
  assert.equal(full.detail, "expected less than 80 % in use, got 1229 MiB, 80 % of 1536 MiB");
  const collector = { service: "collector", published: new Map(), memoryLimit: 0 };
  assert.equal((await memory({ collector })).outcome, "failed");
});

test("no batch during the verification, and batches larger than any could be, are failures", async () => {
  const batches = async (after: Readonly<Record<string, number>>) =>
    (await judged([verification({ after: shows({ ...later, ...after }) })])).get(
      "batch processing",
    )!;
  assert.match(
    (await batches({ processor_batch_batch_send_size_count: 30 })).detail,
    /expected 1 batch or more sent during the verification, got 0/,
  );
  const large = await batches({ processor_batch_batch_send_size_sum: 33 * 8192 * 3 });
  assert.match(large.detail, /expected smaller batches, got 24576\.0 items each of at most 8192/);
  const fill = await batches({ processor_batch_batch_send_size_sum: 33 * 8200 });
  assert.equal(fill.outcome, "passed", "a request of 64 may close a batch of 8191");
});

test("Datadog is skipped with its reason where it is not in the profile", async () => {
  const files = readDelivery(composed("prod", backends.clickhouse));
  const check = (await judged([verification()], files)).get("Datadog reporting");
  assert.deepEqual([check?.outcome, check?.detail], ["skipped", "DD_API_KEY is not set"]);
});

test("Datadog does not report where no point was sent, or anything of any signal was given up", async () => {
  const datadog = async (after: Readonly<Record<string, number>>) =>
    (await judged([verification({ after: shows({ ...later, ...after }) })])).get(
      "Datadog reporting",
    )!;
  const silent = await datadog({ 'exporter_sent_metric_points{exporter="datadog"}': 50 });
  assert.match(silent.detail, /got 0 metric points sent/);
  const failing = await datadog({ 'exporter_send_failed_log_records{exporter="datadog"}': 2 });
  assert.match(failing.detail, /got 1 metric points sent, 2 items failed/);
});

test("figures that began anew in between, or are not to be had, are no evidence", async () => {
  const restarted = await judged([verification({ after: shows({ process_uptime: 3 }) })]);
  const dark = await judged([verification({ after: undefined })]);
  for (const name of ["batch processing", "Datadog reporting"]) {
    assert.match(restarted.get(name)!.detail, /it started again/);
    assert.equal(dark.get(name)?.outcome, "failed");
  }
  assert.equal(dark.get("memory within limit")?.outcome, "failed");
});

test("of several collectors each is judged, and recognised by its name", async () => {
  const second = {
    collector: { service: "collector-2", published: new Map(), memoryLimit: 200 * mebi },
  };
  const check = (await judged([verification(), verification(second)])).get("memory within limit");
  assert.equal(check?.outcome, "failed");
  assert.match(check.detail, /^collector-2: expected less than 80 %/);
  const detail = (await judged([verification(), verification()])).get(
    "memory within limit",
  )?.detail;
  assert.match(detail!, /^collector: 400 MiB.*, collector: 400 MiB/);
});
