import assert from "node:assert/strict";
import { test } from "node:test";
import { readServices } from "../../scripts/stack/readServices.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { exampleStack } from "./exampleStack.ts";

const waits = (...names: string[]): ValueMap => ({
  image: "x:1",
  depends_on: Object.fromEntries(names.map((name) => [name, { condition: "service_healthy" }])),
});
const order = (services: ValueMap) => readServices({ services }).map((one) => one.name);

test("a stack starts database, migration, permissions, collector, redis, server, proxy", () => {
  const expected = ["postgres", "migrate", "permissions", "collector", "redis", "server"];
  assert.deepEqual(
    exampleStack("dev").services.map((one) => one.name),
    expected,
  );
  assert.deepEqual(
    exampleStack("prod").services.map((one) => one.name),
    [...expected.slice(0, -2), "proxy-settings", "redis", "server", "proxy"],
  );
});

test("no one starts before what it waits for, and the rest goes by name", () => {
  assert.deepEqual(order({ d: waits(), c: waits("d"), b: waits(), a: waits("c") }), [
    "b",
    "d",
    "c",
    "a",
  ]);
});

test("services that wait for one another in a circle are refused with the circle", () => {
  assert.throws(() => order({ a: waits("b"), b: waits("a"), c: waits() }), {
    code: "SOURCE_INVALID",
    details: ["a waits for b", "b waits for a"],
  });
});

test("a service that waits for itself is refused", () => {
  assert.throws(() => order({ a: waits("a") }), { code: "SOURCE_INVALID" });
});

test("waiting for a service that is not there is refused with its name", () => {
  assert.throws(() => order({ a: waits("gone") }), { code: "SOURCE_INVALID", details: ["gone"] });
});

test("what the tool reads of a service is what its container will have", () => {
  const [service] = readServices({
    services: {
      a: {
        image: "x:1",
        restart: "unless-stopped",
        stop_grace_period: "1m30s",
        healthcheck: { start_period: "60s" },
        ports: ["127.0.0.1:8000:80"],
        environment: { PRICE: "5$$", COUNT: 3 },
        "x-stateful": true,
        secrets: ["s"],
      },
    },
  });
  assert.deepEqual(service, {
    name: "a",
    image: "x:1",
    kind: "service",
    stateful: true,
    hasFiles: true,
    broken: undefined,
    reload: undefined,
    dependsOn: new Map(),
    ports: [{ host: "127.0.0.1", published: 8000, target: 80 }],
    startSeconds: 60,
    graceSeconds: 90,
    labels: {},
    environment: { PRICE: "5$", COUNT: "3" },
  });
});

test("an address of IPv6 stands for itself where a port is written at length", () => {
  const ports = [{ host_ip: "2001:db8::1", published: "8443", target: 8443 }];
  const [service] = readServices({ services: { a: { image: "x:1", ports } } });
  assert.deepEqual(service?.ports, [{ host: "2001:db8::1", published: 8443, target: 8443 }]);
});

test("a service that is never restarted is a job", () => {
  assert.equal(readServices({ services: { a: { image: "x:1", restart: "no" } } })[0]?.kind, "job");
});

test("a reload's command has its dollars as Compose would give them to a container", () => {
  const reload = { after: "b", config: "c", file: "/d", command: ["sh", "-c", "echo $$HOME"] };
  const [service] = readServices({ services: { a: { image: "x:1", "x-reload": reload } } });
  assert.deepEqual(service?.reload?.command, ["sh", "-c", "echo $HOME"]);
});
