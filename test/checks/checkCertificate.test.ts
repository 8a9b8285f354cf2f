import assert from "node:assert/strict";
import { test } from "node:test";
import { checkCertificate } from "../../scripts/checks/checkTelemetrySettings.ts";

const day = 86_400_000;
const start = Date.parse("2026-11-01T00:00:00Z");
const next = "npm run logs -- prod proxy";
const judged = (days: number, after: number) =>
  checkCertificate(
    { names: "letta.example", issuer: "an authority", fromMs: start, untilMs: start + days * day },
    start + after * day,
    next,
  );

for (const [days, after, outcome, detail] of [
  [
    90,
    20,
    "passed",
    /^for letta\.example by an authority, valid until 2027-01-30 00:00 UTC \(70 days\)$/,
  ],
  [90, 75, "passed", /\(15 days\)$/],
  [90, 77, "failed", /: runs out in 13 days, at 2027-01-30 00:00 UTC; nothing has renewed it$/],
  [90, 90, "failed", /: ran out at 2027-01-30 00:00 UTC$/],
  [90, -1, "failed", /: not valid before 2026-11-01T00:00:00\.000Z$/],
  // The proxy's own CA gives twelve hours, and renews at four.
  [0.5, 0.4, "passed", /\(2 hours\)$/],
  [0.5, 0.45, "failed", /: runs out in 1 hours/],
  [365, 350, "passed", /\(15 days\)$/],
  [365, 352, "failed", /: runs out in 13 days/],
] as const) {
  test(`of ${days} days, after ${after}: ${outcome}`, () => {
    const found = judged(days, after);
    assert.equal(found.outcome, outcome);
    assert.match(found.detail, detail);
    assert.equal(found.next, outcome === "failed" ? next : null);
  });
}
