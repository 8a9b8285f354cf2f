import assert from "node:assert/strict";
import { test } from "node:test";
import type { Release } from "../../scripts/state/release.ts";
import { type Comparison, worseRelease } from "../../scripts/deploy/bake.ts";
import { exampleRelease } from "../state/exampleRelease.ts";

const at = Date.parse("2026-01-02T03:04:05.000Z");
const figures = (fromMs: number, errors: number) => ({
  fromMs,
  toMs: fromMs + 10_000,
  requests: 40,
  errors,
  p95Ms: 12.4,
});
const compared: Comparison = {
  verdict: "worse",
  why: "more than 5 points more requests fail",
  margins: { requests: 20, points: 5, factor: 2 },
  source: "otel_traces in ClickHouse",
  previous: { release: "000001", tag: "1.0.0", figures: figures(at, 0) },
  present: { release: "000002", tag: "1.1.0", figures: figures(at + 60_000, 20) },
};

function release(
  databaseStrategy: Release["databaseStrategy"],
  otherwise: Partial<Release> = {},
): Release {
  return {
    ...exampleRelease("000002", {
      environment: "prod",
      tag: "1.1.0",
      databaseStrategy,
      ...otherwise,
    }),
    format: 2,
  };
}

const evidence = [
  "000001 (1.0.0): 0 of 40 requests failed (0.0 %), p95 12 ms, 2026-01-02T03:04:05.000Z to 2026-01-02T03:04:15.000Z",
  "000002 (1.1.0): 20 of 40 requests failed (50.0 %), p95 12 ms, 2026-01-02T03:05:05.000Z to 2026-01-02T03:05:15.000Z",
  "read from otel_traces in ClickHouse; BAKE_GATE_REQUESTS=20 BAKE_GATE_ERRORS=5 BAKE_GATE_SLOWER=2; stored as evidence/000002/bake.json",
];

test("a rollback reports both figures, their times, where they were read and stored", () => {
  for (const databaseStrategy of ["none", "keep"] as const) {
    const { code, exit, message, details, next } = worseRelease(
      compared,
      release(databaseStrategy),
    );
    assert.deepEqual([code, exit, next], ["STEP_FAILED", 5, "npm run traces -- prod"]);
    assert.equal(message, "it serves worse than 1.0.0: more than 5 points more requests fail");
    assert.deepEqual(details, evidence);
  }
});

test("across a schema change a person gets the command that rolls back, by the verified strategy", () => {
  const { exit, message, details, next } = worseRelease(compared, release("migrate"));
  assert.equal(exit, 5);
  assert.equal(
    message,
    "release 000002 (1.1.0) runs and serves worse than 1.0.0: more than 5 points more requests fail",
  );
  assert.deepEqual(details, [
    ...evidence,
    "not rolled back, because the database has another schema now",
    "the rollback was verified in the rehearsal and loses nothing",
  ]);
  assert.equal(next, "npm run rollback -- 000001 --env prod");
});

test("where no rollback was verified, the command is the one that tries them on a copy", () => {
  const [verification] = release("migrate").verifications;
  for (const verifications of [[], [{ ...verification!, passed: false }]]) {
    const { details, next } = worseRelease(compared, release("migrate", { verifications }));
    assert.match(details.at(-1)!, /^no rollback was rehearsed/);
    assert.equal(next, "npm run rollback -- 000001 --env prod --database auto");
  }
});

test("figures that could not be had are reported as what they are", () => {
  const present = { ...compared.present, figures: "ClickHouse answered nothing" };
  const { details } = worseRelease({ ...compared, present }, release("none"));
  assert.equal(details[1], "000002 (1.1.0): ClickHouse answered nothing");
});
