import assert from "node:assert/strict";
import { test } from "node:test";
import { checkClock } from "../../scripts/checks/checkTelemetrySettings.ts";

/** Asked between 10 000 and 10 200 ms. */
const clock = (atMs: number, stepMs = 1000) => ({
  where: "elsewhere",
  atMs,
  stepMs,
  beforeMs: 10_000,
  afterMs: 10_200,
});
const outcome = (...clocks: ReturnType<typeof clock>[]) => checkClock(clocks, "on").outcome;

test("what lies within the time of asking and the clock's own step is no difference", () => {
  assert.match(checkClock([clock(10_000), clock(9000)], "on").detail, /0\.0 s, elsewhere 0\.0 s$/);
});

test("a clock more than two seconds ahead or behind is reported", () => {
  assert.equal(outcome(clock(12_200)), "passed");
  assert.equal(outcome(clock(12_201)), "failed");
  assert.equal(outcome(clock(7000)), "passed");
  assert.equal(outcome(clock(6999)), "failed");
  assert.equal(outcome(clock(7999, 0)), "failed");
});

test("without another clock there is nothing to compare", () => {
  assert.equal(outcome(), "skipped");
});
