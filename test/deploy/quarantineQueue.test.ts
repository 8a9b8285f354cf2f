import assert from "node:assert/strict";
import { test } from "node:test";
import { quarantineQueue } from "../../scripts/deploy/collectorUpdate.ts";
import type { Context } from "../../scripts/state/context.ts";
import { exampleStack } from "../stack/exampleStack.ts";

// A file that is damaged for real, and the collector that comes up without it: test/real/telemetry.test.ts.

/**
 * What is said and done about a collector that wrote this last.
 * @param stdout what was moved aside
 */
async function saidAfter(
  words: string,
  stdout = "file exporter_clickhouse__logs 0\n",
): Promise<string[]> {
  const said: string[] = [];
  const context = {
    engine: {
      tail: async () => `Extension is starting... {"name": "file_storage/queue"}\n${words}`,
      stop: async () => undefined,
      start: async () => said.push("started again"),
      run: async () => ({ code: 0, stdout, stderr: "" }),
    },
    reporter: { note: (text: string) => said.push(text) },
  } as unknown as Context;
  await quarantineQueue(exampleStack("dev"), "collector", "id", context);
  return said;
}

const file = "/var/lib/otelcol/queue/exporter_clickhouse__logs";

test("a queue's file that was begun on a full disk is not taken for a damaged one", async () => {
  const refused = (why: string) => `Error: cannot start pipelines: ${why}`;
  assert.equal((await saidAfter(refused("invalid database"))).length, 1);
  assert.deepEqual(await saidAfter(refused(`write ${file}: no space left on device`)), []);
});

test("one that was stopped for the look, and nothing was moved, goes on trying", async () => {
  assert.deepEqual(await saidAfter("cannot connect: connection refused", ""), ["started again"]);
});
