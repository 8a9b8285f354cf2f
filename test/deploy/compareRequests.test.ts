import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareRequests, type RequestFigures } from "../../scripts/deploy/requestFigures.ts";

const margins = { requests: 20, points: 5, factor: 2 };
const marker = { outcome: "passed", detail: "read back" } as const;

function figures(requests: number, errors: number, p95Ms: number | null): RequestFigures {
  return { fromMs: 0, toMs: 10_000, requests, errors, p95Ms };
}

const before = figures(100, 1, 100);

function verdict(present: RequestFigures | string, previous: RequestFigures | string = before) {
  return compareRequests({ previous, present, marker }, margins);
}

test("as many failures and as long is no worse, and both figures are reported", () => {
  assert.deepEqual(verdict(figures(50, 1, 80)), {
    verdict: "fine",
    why: "1 of 50 requests failed (2.0 %), p95 80 ms; before 1 of 100 requests failed (1.0 %), p95 100 ms",
  });
});

test("failures are worse above their margin, and not at it", () => {
  assert.equal(verdict(figures(100, 6, 100)).verdict, "fine");
  assert.deepEqual(verdict(figures(100, 7, 100)), {
    verdict: "worse",
    why: "more than 5 points more requests fail: 7 of 100 requests failed (7.0 %), p95 100 ms; before 1 of 100 requests failed (1.0 %), p95 100 ms",
  });
});

test("a release that fails as much as the one before it is not turned back for that", () => {
  assert.equal(verdict(figures(100, 90, 100), figures(100, 88, 100)).verdict, "fine");
});

test("a p95 is worse above its factor, and not at it", () => {
  assert.equal(verdict(figures(100, 1, 200)).verdict, "fine");
  const { verdict: found, why } = verdict(figures(100, 1, 201));
  assert.equal(found, "worse");
  assert.match(why, /^its p95 is more than 2 times as long: /);
});

test("a p95 that many times as long and that no one can feel is no worse", () => {
  assert.equal(verdict(figures(100, 1, 52), figures(100, 1, 2)).verdict, "fine");
  assert.equal(verdict(figures(100, 1, 53), figures(100, 1, 2)).verdict, "worse");
});

test("both reasons are shown where there are both", () => {
  const { why } = verdict(figures(20, 20, 900));
  assert.match(why, /^more than 5 points more requests fail and its p95 is more than 2 times/);
});

test("too few requests of either say nothing, however bad they are", () => {
  assert.deepEqual(verdict(figures(19, 19, 9000)), {
    verdict: "unjudged",
    why: "19 requests, before 100: expected 20 or more of both to compare them",
  });
  assert.equal(verdict(figures(20, 20, 9000), figures(19, 0, 1)).verdict, "unjudged");
  assert.equal(verdict(figures(0, 0, null)).verdict, "unjudged");
  assert.equal(verdict(figures(20, 20, 9000), figures(20, 0, 1)).verdict, "worse");
});

test("spans that do not come any more are worse, whatever was counted", () => {
  const failed = { outcome: "failed", detail: "expected ca00 in otel_traces within 30 s" } as const;
  for (const present of [figures(0, 0, null), figures(100, 0, 1)]) {
    assert.deepEqual(compareRequests({ previous: before, present, marker: failed }, margins), {
      verdict: "worse",
      why: "no data: expected ca00 in otel_traces within 30 s",
    });
  }
});

test("a sink that cannot be asked is not the release's fault", () => {
  const failed = { outcome: "failed", detail: "not there" } as const;
  const away = "ClickHouse answered nothing";
  for (const [previous, present] of [
    [away, away],
    [before, away],
    [away, before],
  ] as const) {
    const found = compareRequests({ previous, present, marker: failed }, margins);
    assert.deepEqual(found, { verdict: "unjudged", why: away });
  }
});

test("a server that no one reaches from here is judged by what was counted", () => {
  const skipped = { outcome: "skipped", detail: "publishes no port" } as const;
  const present = figures(100, 50, 100);
  assert.equal(
    compareRequests({ previous: before, present, marker: skipped }, margins).verdict,
    "worse",
  );
});

const anyFigures = fc
  .record({
    requests: fc.integer({ min: 0, max: 500 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    p95: fc.double({ min: 0, max: 10_000, noNaN: true }),
  })
  .map(({ requests, share, p95 }) =>
    figures(requests, Math.floor(share * requests), requests === 0 ? null : p95),
  );

test("no release is worse than itself", () => {
  fc.assert(fc.property(anyFigures, (one) => verdict(one, one).verdict !== "worse"));
});

test("of two releases that differ, never is each worse than the other by the same measure", () => {
  fc.assert(
    fc.property(anyFigures, anyFigures, (one, other) => {
      const [there, back] = [verdict(one, other).why, verdict(other, one).why];
      for (const reason of ["points more", "times as long"]) {
        if (there.includes(reason) && back.includes(reason)) return false;
      }
      return true;
    }),
  );
});

test("wider margins never turn back what narrower ones let stay", () => {
  const margin = fc.integer({ min: 1, max: 50 });
  fc.assert(
    fc.property(anyFigures, anyFigures, margin, margin, (previous, present, points, factor) => {
      const facts = { previous, present, marker };
      if (compareRequests(facts, { ...margins, points, factor }).verdict !== "worse") {
        const wider = { requests: 30, points: points + 3, factor: factor + 1 };
        return compareRequests(facts, wider).verdict !== "worse";
      }
      return true;
    }),
  );
});
