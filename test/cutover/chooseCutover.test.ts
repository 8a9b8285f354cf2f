import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseCutover, type CutoverAsked } from "../../scripts/cutover/chooseCutover.ts";
import type { Change } from "../../scripts/parts/planChanges.ts";
import { exampleContainer } from "../rollout/exampleContainer.ts";
import { settingsOf, targetOf } from "../rollout/exampleTarget.ts";

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
const asked = (otherwise: Partial<CutoverAsked> = {}): CutoverAsked => ({
  stack,
  changes: [change("server")],
  observed: serving,
  away: false,
  beside: false,
  otherHeads: false,
  wish: "auto",
  ...otherwise,
});

const table: readonly [string, Partial<CutoverAsked>, string, string][] = [
  ["the same schema", {}, "overlap", "the schema stays"],
  [
    "a collector too",
    { changes: [change("collector"), change("server")] },
    "overlap",
    "the schema stays",
  ],
  ["work on the database", { away: true }, "hold", "the database is worked on meanwhile"],
  [
    "a migration that both servers were tried on at once",
    { away: true, otherHeads: true, beside: true },
    "overlap",
    "both servers were tried on the new schema at once",
  ],
  [
    "such a one with another Postgres",
    { away: true, beside: true, changes: [change("postgres"), change("server")] },
    "hold",
    "the database's server is replaced",
  ],
  [
    "a server that stays while its database is worked on",
    { away: true, changes: [] },
    "hold",
    "the database is worked on meanwhile",
  ],
  [
    "a server of another schema that serves on this one",
    { otherHeads: true },
    "hold",
    "the two servers are of different schemas",
  ],
  [
    "another Postgres",
    { changes: [change("postgres"), change("server", "none")] },
    "hold",
    "the database's server is replaced",
  ],
  [
    "a server that is ill",
    { observed: [exampleContainer("server", { health: "unhealthy" }), exampleContainer("proxy")] },
    "hold",
    "the present server is not healthy",
  ],
  ["CUTOVER=hold", { wish: "hold" }, "hold", "CUTOVER is hold"],
  ["CUTOVER=stop", { wish: "stop" }, "stop", "CUTOVER is stop"],
  [
    "no proxy",
    { stack: local, observed: [exampleContainer("server")] },
    "stop",
    "there is no proxy",
  ],
  [
    "a proxy that is down",
    { observed: [exampleContainer("server"), exampleContainer("proxy", { state: "exited" })] },
    "stop",
    "the proxy does not run",
  ],
  ["the proxy alone", { changes: [change("proxy")] }, "stop", "the proxy itself is replaced"],
  [
    "the collector alone",
    { changes: [change("collector")] },
    "none",
    "nothing that answers is replaced",
  ],
  ["nothing there yet", { observed: [] }, "none", "nothing that answers is replaced"],
];

for (const [what, otherwise, cutover, why] of table) {
  test(`${what}: ${cutover}, as ${why}`, () => {
    assert.deepEqual(chooseCutover(asked(otherwise)), { cutover, why });
  });
}

test("a server that publishes a port cannot have another beside it", () => {
  const services = stack.services.map((one) =>
    one.name === "server"
      ? { ...one, ports: [{ host: "127.0.0.1", published: 8283, target: 8283 }] }
      : one,
  );
  const { cutover, why } = chooseCutover(asked({ stack: { ...stack, services } }));
  assert.deepEqual([cutover, why], ["hold", "the server publishes a port, which two cannot"]);
});
