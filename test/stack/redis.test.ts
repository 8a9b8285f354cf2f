import assert from "node:assert/strict";
import { test } from "node:test";
import { labels, type Stack } from "../../scripts/stack/renderStack.ts";
import { exampleStack } from "./exampleStack.ts";

type Service = Record<string, unknown>;

const servicesOf = (stack: Stack) => stack.model["services"] as Record<string, Service>;
const environmentOf = (stack: Stack, service: string) =>
  servicesOf(stack)[service]!["environment"] as Record<string, string>;
const networksOf = (service: Service) => Object.keys((service["networks"] ?? {}) as object);

for (const environment of ["dev", "development", "staging", "prod"])
  test(`in ${environment} Redis is reached by the server alone, and by no port of the machine`, () => {
    const stack = exampleStack(environment);
    const services = servicesOf(stack);
    const { internal } = (stack.model["networks"] as Record<string, { internal?: boolean }>)[
      "redis"
    ]!;
    const reached = Object.keys(services).filter((one) =>
      networksOf(services[one]!).includes("redis"),
    );
    assert.deepEqual(reached.sort(), ["redis", "server"]);
    assert.deepEqual(networksOf(services["redis"]!), ["redis"]);
    assert.equal(internal, true);
    assert.deepEqual(stack.services.find((one) => one.name === "redis")!.ports, []);
    assert.equal(environmentOf(stack, "server")["LETTA_REDIS_HOST"], "redis");
  });

test("Redis cannot write anywhere but into its volume, and is no user of the machine", () => {
  const redis = servicesOf(exampleStack("prod"))["redis"]!;
  assert.equal(redis["read_only"], true);
  assert.equal(redis["user"], "999:999");
  assert.deepEqual(redis["volumes"], ["redis:/data"]);
  assert.ok(!("cap_add" in redis) && !("tmpfs" in redis));
});

test("no other service is made anew where Redis comes to a stack, but those that use it", () => {
  const [before, after] = [exampleStack("prod", { REDIS_ENABLED: "false" }), exampleStack("prod")];
  const digest = (stack: Stack, name: string) =>
    stack.services.find((one) => one.name === name)?.labels[labels.digest];
  const changed = after.services
    .map((one) => one.name)
    .filter((name) => digest(before, name) !== digest(after, name));
  assert.deepEqual(changed.sort(), ["migrate", "permissions", "redis", "server"]);
});

test("a Redis outside is passed on, and none is part of the stack", () => {
  const outside = exampleStack("dev", {
    LETTA_REDIS_HOST: "redis.example",
    LETTA_REDIS_PORT: "6380",
  });
  const off = exampleStack("dev", { REDIS_ENABLED: "false" });
  for (const stack of [outside, off]) assert.ok(!("redis" in servicesOf(stack)));
  for (const service of ["server", "migrate"]) {
    assert.equal(environmentOf(outside, service)["LETTA_REDIS_HOST"], "redis.example");
    assert.equal(environmentOf(outside, service)["LETTA_REDIS_PORT"], "6380");
    assert.ok(!("LETTA_REDIS_HOST" in environmentOf(off, service)));
  }
});
