import assert from "node:assert/strict";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { reportMarkdown, reportPage } from "../../scripts/commands/reportPage.ts";
import { gatherReport, lastFailed } from "../../scripts/deploy/report.ts";
import type { Context } from "../../scripts/state/context.ts";
import { keepEvidence } from "../../scripts/state/evidence.ts";
import { appendEntry, type Entry } from "../../scripts/state/journal.ts";
import { keepRelease, updateRelease } from "../../scripts/state/releases.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { settingsOf } from "./exampleTarget.ts";

const context = {} as Context;
const at = (second: number) => new Date(Date.UTC(2026, 0, 2, 3, 4, second)).toISOString();
const secret = "canary-of-a-secret-1";

/** A state directory with a good release, and a deploy of another that failed and was rolled back. */
function failedDeploy() {
  const stateDir = folder();
  const directory = join(stateDir, "prod");
  mkdirSync(join(directory, "releases"), { recursive: true });
  const settings = settingsOf("prod", { STATE_DIR: stateDir, OPENAI_API_KEY: secret });
  const texts = (memory: string) => ({
    "compose.yaml": `services:\n  server:\n    mem_limit: ${memory}\n`,
    "collector.yaml": "receivers: {}\n",
    "settings.env": `SERVER_MEMORY=${memory}\nOPENAI_API_KEY=was-none-${memory}\n`,
  });
  const good = exampleRelease("000001", { tag: "0.15.1", created: at(0) });
  keepRelease(directory, good, texts("1g"));
  updateRelease(directory, { ...good, outcome: "good" });
  const failed = exampleRelease("000002", {
    created: at(20),
    from: "000001",
    databaseStrategy: "migrate",
    secrets: { LETTA_PG_PASSWORD: "another" },
    rehearsal: { migrateSeconds: 2.5, rollbackCheck: { passed: true, detail: "answered" } },
  });
  keepRelease(directory, failed, texts("2g"));
  updateRelease(directory, { ...failed, outcome: "failed" });
  const back = exampleRelease("000003", { created: at(40), from: "000001", restores: "000001" });
  keepRelease(directory, back, texts("1g"));
  const log = (second: number, step: string, event: Entry["event"], more: Partial<Entry> = {}) =>
    appendEntry(directory, {
      at: at(second),
      run: "r2",
      command: "deploy:prod",
      step,
      event,
      ...more,
    });
  appendEntry(directory, {
    at: at(1),
    run: "r1",
    command: "deploy:prod",
    step: "",
    event: "begin",
  });
  appendEntry(directory, {
    at: at(2),
    run: "r1",
    command: "deploy:prod",
    step: "",
    event: "done",
    release: "000001",
  });
  log(10, "", "begin", { by: "ann@box", reason: "new release" });
  log(11, "rehearse", "begin");
  log(15, "rehearse", "done", { detail: `answered with ${secret} <img src=x onerror=1>\u001b[2J` });
  log(21, "verify", "begin");
  log(30, "verify", "failed", { detail: "smoke test failed" });
  log(50, "", "failed", { seconds: 40, message: "release 000002 (0.16.8) failed" });
  keepEvidence(directory, "000002", "server.log", "ok\nValueError: <b>broken</b>\n");
  return { settings, directory, stateDir };
}

test("a failed deploy's report tells outcome, steps, changes and the failed server's log", async () => {
  const { settings } = failedDeploy();
  const report = await gatherReport(settings, "000002", context);
  assert.deepEqual(
    [report.outcome, report.seconds, report.by, report.reason],
    ["failed", 40, "ann@box", "new release"],
  );
  assert.equal(report.release?.id, "000002");
  assert.equal(report.from?.id, "000001");
  assert.deepEqual(
    report.steps.map(({ name, outcome }) => [name, outcome]),
    [
      ["rehearse", "done"],
      ["verify", "failed"],
    ],
  );
  assert.equal(report.steps[0]!.toMs - report.steps[0]!.fromMs, 4000);
  assert.deepEqual(report.settings, [
    { name: "SERVER_MEMORY", before: "1g", after: "2g" },
    { name: "LETTA_PG_PASSWORD", before: "a secret", after: "another secret" },
  ]);
  assert.match(report.diffs[0]!.text, /-    mem_limit: 1g\n\+    mem_limit: 2g/);
  assert.deepEqual(report.logs[0]!.lines.slice(-1), ["ValueError: <b>broken</b>"]);
  assert.deepEqual(await gatherReport(settings, "last", context), report);
});

test("a release's report is of the run that made it, whatever named it since", async () => {
  const { settings, directory } = failedDeploy();
  const later = (second: number, event: Entry["event"], more: Partial<Entry> = {}) =>
    appendEntry(directory, {
      at: at(second),
      run: "r9",
      command: "backup:prod",
      step: "",
      event,
      ...more,
    });
  later(52, "begin");
  later(54, "done", { release: "000002" });
  const report = await gatherReport(settings, "000002", context);
  assert.deepEqual([report.run, report.command], ["r2", "deploy"]);
  assert.equal((await gatherReport(settings, lastFailed, context)).run, "r2");
  assert.equal((await gatherReport(settings, "last", context)).run, "r9");
});

test("the page is self-contained, and whatever comes from elsewhere is text", async () => {
  const { settings } = failedDeploy();
  const report = await gatherReport(settings, "last", context);
  const page = reportPage(report);
  assert.doesNotMatch(page, /<script|<link|<img|@import|url\(|https?:\/\//);
  assert.match(page, /&lt;img src=x onerror=1&gt;/);
  assert.match(page, /ValueError: &lt;b&gt;broken/);
  for (const text of [page, reportMarkdown(report), JSON.stringify(report)]) {
    assert.ok(!text.includes(secret));
    assert.ok(!text.includes("\u001b"));
  }
  assert.ok(page.length < 1_000_000);
  // Each mark of the chart has its words, and the table below has them all.
  assert.equal(page.match(/<rect class="(?:done|failed)"/g)?.length, report.steps.length);
  assert.match(page, /<title>verify: 9\.0 s, failed, smoke test failed<\/title>/);
});

test("requests are drawn around the run, with a table of the same figures", async () => {
  const { settings } = failedDeploy();
  const report = await gatherReport(settings, "last", context);
  const begin = Date.parse(report.begun);
  const requests = [0, 1, 2].map((one) => ({
    fromMs: begin + one * 10_000,
    toMs: begin + (one + 1) * 10_000,
    requests: 100 * (one + 1),
    errors: one,
    p95Ms: one === 0 ? null : 12.3,
  }));
  const page = reportPage({ ...report, requests });
  assert.match(page, /<h2>Requests<\/h2>/);
  assert.match(page, /<path class="rate" d="M[^"N]+"/);
  assert.doesNotMatch(page, /NaN|undefined/);
  assert.match(page, /<td>300<\/td><td>2<\/td><td>12 ms<\/td>/);
});

test("a killed run, a damaged line and missing requests are named", async () => {
  const { settings, directory } = failedDeploy();
  appendEntry(directory, {
    at: at(55),
    run: "r3",
    command: "deploy:prod",
    step: "",
    event: "begin",
  });
  appendEntry(directory, {
    at: at(56),
    run: "r3",
    command: "deploy:prod",
    step: "preflight",
    event: "begin",
  });
  appendFileSync(join(directory, "journal.jsonl"), '{"at":"torn');
  const report = await gatherReport(settings, "last", context);
  assert.equal(report.outcome, "interrupted");
  assert.equal(report.steps[0]?.outcome, "interrupted");
  assert.match(report.missing.join("\n"), /requests during the run: /);
  assert.match(report.missing.join("\n"), /1 damaged lines/);
  assert.match(report.missing.join("\n"), /it was killed, or still runs/);
  assert.match(reportPage(report), /Interrupted\./);
});

test("what is in no journal is refused", async () => {
  const { settings } = failedDeploy();
  await assert.rejects(gatherReport(settings, "000099", context), { code: "RELEASE_UNKNOWN" });
  const empty = settingsOf("prod", { STATE_DIR: folder() });
  await assert.rejects(gatherReport(empty, "last", context), { code: "RELEASE_UNKNOWN" });
});
