import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { gate } from "../../scripts/stack/proxyConfiguration.ts";
import { readServerRole } from "../../scripts/stack/serverRole.ts";
import { exampleStack } from "./exampleStack.ts";

const { server, model } = exampleStack("prod");

test("the proxy sends requests where the server listens", () => {
  assert.deepEqual([server.service, server.port], [gate.service, gate.port]);
});

test("it listens there whatever PORT says, which is where dev publishes it", () => {
  const [as, moved] = ["8283", "9000"].map((PORT) => exampleStack("prod", { PORT }).text);
  assert.equal(moved, as);
  const { services } = parse(exampleStack("dev", { PORT: "9000" }).text) as {
    services: Record<string, { ports?: unknown }>;
  };
  assert.deepEqual(services["server"]?.ports, ["127.0.0.1:9000:8283"]);
});

test("a release rendered before it was so tells its own port", () => {
  const { port: _, ...role } = model["x-app"] as ValueMap;
  const services = { server: { environment: { PORT: "9000" } } };
  assert.equal(readServerRole({ "x-app": role, services }).port, 9000);
});
