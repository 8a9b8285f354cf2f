import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseStrategy, type StrategyInput } from "../../scripts/deploy/chooseStrategy.ts";
import type { Change } from "../../scripts/deploy/planChanges.ts";
import { exampleContainer } from "./exampleContainer.ts";
import { settingsOf, targetOf } from "./exampleTarget.ts";

const { stack } = targetOf(settingsOf("prod")).prepared;
const local = targetOf(settingsOf("dev")).prepared.stack;

const change = (service: string, action: Change["action"] = "recreate"): Change => ({
  service,
  action,
  causes: [],
});

const serving = [
  exampleContainer("postgres"),
  exampleContainer("server"),
  exampleContainer("proxy"),
];
const asked = (otherwise: Partial<StrategyInput> = {}): StrategyInput => ({
  stack,
  changes: [change("server")],
  observed: serving,
  isOffline: false,
  sideBySide: false,
  otherHeads: false,
  configured: "auto",
  ...otherwise,
});

const table: readonly [string, Partial<StrategyInput>, string, string][] = [
  ["the same schema", {}, "blue-green", "the schema stays"],
  [
    "a collector too",
    { changes: [change("collector"), change("server")] },
    "blue-green",
    "the schema stays",
  ],
  ["work on the database", { isOffline: true }, "pause", "the database is changed meanwhile"],
  [
    "a migration that both servers were tried on at once",
    { isOffline: true, otherHeads: true, sideBySide: true },
    "blue-green",
    "both servers passed the rehearsal on the new schema",
  ],
  [
    "such a one with another Postgres",
    { isOffline: true, sideBySide: true, changes: [change("postgres"), change("server")] },
    "pause",
    "the database's server is replaced",
  ],
  [
    "a server that stays while its database is worked on",
    { isOffline: true, changes: [] },
    "pause",
    "the database is changed meanwhile",
  ],
  [
    "a server of another schema that serves on this one",
    { otherHeads: true },
    "pause",
    "the two servers are of different schemas",
  ],
  [
    "another Postgres",
    { changes: [change("postgres"), change("server", "none")] },
    "pause",
    "the database's server is replaced",
  ],
  [
    "another Redis",
    { changes: [change("redis"), change("server", "none")] },
    "pause",
    "Redis, without which messages fail, is replaced",
  ],
  [
    "a Redis that comes with the new server",
    { changes: [change("redis", "create"), change("server")] },
    "blue-green",
    "the schema stays",
  ],
  [
    "a Redis that goes with the old server",
    { changes: [change("redis", "remove"), change("server")] },
    "blue-green",
    "the schema stays",
  ],
  [
    "a server that is ill",
    { observed: [exampleContainer("server", { health: "unhealthy" }), exampleContainer("proxy")] },
    "pause",
    "the present server is not healthy",
  ],
  ["DEPLOY_STRATEGY=pause", { configured: "pause" }, "pause", "DEPLOY_STRATEGY is pause"],
  [
    "DEPLOY_STRATEGY=recreate",
    { configured: "recreate" },
    "recreate",
    "DEPLOY_STRATEGY is recreate",
  ],
  [
    "no proxy",
    { stack: local, observed: [exampleContainer("server")] },
    "recreate",
    "there is no proxy",
  ],
  [
    "a proxy that is down",
    { observed: [exampleContainer("server"), exampleContainer("proxy", { state: "exited" })] },
    "recreate",
    "the proxy does not run",
  ],
  ["the proxy alone", { changes: [change("proxy")] }, "recreate", "the proxy itself is replaced"],
  [
    "the collector alone",
    { changes: [change("collector")] },
    "none",
    "neither server nor proxy is replaced",
  ],
  ["nothing there yet", { observed: [] }, "none", "neither server nor proxy is replaced"],
];

for (const [what, otherwise, strategy, why] of table) {
  test(`${what}: ${strategy}, as ${why}`, () => {
    assert.deepEqual(chooseStrategy(asked(otherwise)), { strategy, why });
  });
}

test("a server that publishes a port cannot have another next to it", () => {
  const services = stack.services.map((one) =>
    one.name === "server"
      ? { ...one, ports: [{ host: "127.0.0.1", published: 8283, target: 8283 }] }
      : one,
  );
  const { strategy, why } = chooseStrategy(asked({ stack: { ...stack, services } }));
  assert.deepEqual(
    [strategy, why],
    ["pause", "the server publishes a port, which two containers cannot share"],
  );
});
