import assert from "node:assert/strict";
import { test } from "node:test";
import { digestServices } from "../../scripts/stack/renderStack.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";

const model = (): ValueMap & { services: Record<string, ValueMap> } => ({
  services: {
    database: {
      image: "postgres:17",
      secrets: ["password"],
      volumes: ["database:/data"],
      networks: { backend: {} },
    },
    collector: {
      image: "collector:1",
      configs: [{ source: "pipelines", target: "/etc/config.yaml" }],
      networks: { telemetry: {} },
    },
    server: {
      image: "server:1",
      environment: { URI: "postgresql://u:${PASSWORD}@database", KEY: "${KEY}" },
      networks: { backend: {}, telemetry: {} },
    },
  },
  configs: { pipelines: { content: "a" } },
  networks: { backend: { internal: true }, telemetry: {} },
  volumes: { database: {} },
  secrets: { password: { environment: "PASSWORD" } },
});

/** The services whose digest the change changes. */
function changedBy(change: (of: ReturnType<typeof model>) => void): string[] {
  const after = model();
  change(after);
  const digests = digestServices(model(), undefined);
  return [...digestServices(after, undefined)]
    .filter(([name, { digest }]) => digests.get(name)?.digest !== digest)
    .map(([name]) => name);
}

test("the order of keys does not matter", () => {
  const turned = (value: unknown): unknown =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, inner]) => [key, turned(inner)]),
        )
      : value;
  const sorted = (from: ValueMap) => [...digestServices(from, undefined)].sort();
  assert.deepEqual(sorted(turned(model()) as ValueMap), sorted(model()));
});

test("the order of a list matters", () => {
  const one = digestServices({ services: { a: { command: ["x", "y"] } } }, undefined);
  const other = digestServices({ services: { a: { command: ["y", "x"] } } }, undefined);
  assert.notEqual(one.get("a")?.digest, other.get("a")?.digest);
});

test("a changed configuration changes exactly the services that mount it", () => {
  const changed = changedBy((of) => (of["configs"] = { pipelines: { content: "b" } }));
  assert.deepEqual(changed, ["collector"]);
});

test("a changed network changes exactly the services that are on it", () => {
  const changed = changedBy((of) => (of["networks"] = { backend: {}, telemetry: {} }));
  assert.deepEqual(changed, ["database", "server"]);
});

test("a changed volume changes exactly the services that mount it", () => {
  const changed = changedBy((of) => (of["volumes"] = { database: { driver: "other" } }));
  assert.deepEqual(changed, ["database"]);
});

test("a definition that no one refers to changes no one", () => {
  const changed = changedBy(
    (of) => (of["configs"] = { pipelines: { content: "a" }, line: { content: "x" } }),
  );
  assert.deepEqual(changed, []);
});

test("whom a service waits for, and its labels, are not what it is", () => {
  const changed = changedBy(({ services }) => {
    services["server"]!["depends_on"] = { database: { condition: "service_started" } };
    services["server"]!["labels"] = { release: "000002" };
  });
  assert.deepEqual(changed, []);
});

const secretDigest = (values: Record<string, string>) => (name: string) => values[name];

test("a changed secret changes the secrets' digest of those that use it, and nothing else", () => {
  const before = digestServices(model(), secretDigest({ PASSWORD: "p1", KEY: "k1" }));
  const after = digestServices(model(), secretDigest({ PASSWORD: "p1", KEY: "k2" }));
  for (const [name, { digest, secrets }] of after) {
    assert.equal(digest, before.get(name)?.digest, name);
    assert.equal(secrets !== before.get(name)?.secrets, name === "server", name);
  }
});

test("a secret that comes as a file counts like one that comes by the environment", () => {
  const before = digestServices(model(), secretDigest({ PASSWORD: "p1" }));
  const after = digestServices(model(), secretDigest({ PASSWORD: "p2" }));
  const changed = [...after].filter(([name, { secrets }]) => secrets !== before.get(name)?.secrets);
  assert.deepEqual(
    changed.map(([name]) => name),
    ["database", "server"],
  );
});

test("a service without secrets has no digest of them", () => {
  const digests = digestServices(model(), secretDigest({ PASSWORD: "p1" }));
  assert.equal(digests.get("collector")?.secrets, undefined);
});

test("two secrets that swap their values are a change", () => {
  const before = digestServices(model(), secretDigest({ PASSWORD: "one", KEY: "two" }));
  const after = digestServices(model(), secretDigest({ PASSWORD: "two", KEY: "one" }));
  assert.notEqual(before.get("server")?.secrets, after.get("server")?.secrets);
});
