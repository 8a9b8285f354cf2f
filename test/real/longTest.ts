import { test, type TestContext } from "node:test";

/** Whether this is a run of `npm run test:long`, or of the list of faults. */
export const isLongRun = process.env["TEST_LONG"] === "1";

/**
 * A test of `npm run test:long` alone: it shows on the real parts once more what a shorter test of the same suite
 * or the simulation shows on every run.
 */
export function longTest(name: string, work: (t: TestContext) => Promise<void>): void {
  if (isLongRun) void test(name, work);
}
