import assert from "node:assert/strict";
import { test } from "node:test";
import { waitForBacklog } from "../../scripts/deploy/runStrategy.ts";

/** How often it looked at a server with so many requests under way, the last for ever. */
async function looks(counts: readonly (number | undefined)[], secondsEach: number) {
  let [seen, now] = [0, 0];
  const proxyControl = {
    async underWay() {
      now += secondsEach * 1000;
      return counts[Math.min(seen++, counts.length - 1)];
    },
  };
  await waitForBacklog(proxyControl, { now: () => now, signal: new AbortController().signal });
  return seen;
}

test("a server is waited for until few requests are left", async () => {
  assert.equal(await looks([300, 20, 8], 1), 3);
  assert.equal(await looks([2], 1), 1);
});

test("what does not become less is what there always is", async () => {
  assert.equal(await looks([50, 40, 40], 8), 4);
});

test("nor is it waited for for ever, or where the proxy does not tell", async () => {
  const always = Array.from({ length: 100 }, (_, index) => 1000 - index);
  assert.equal(await looks(always, 30), 4);
  assert.equal(await looks([undefined], 1), 1);
});
