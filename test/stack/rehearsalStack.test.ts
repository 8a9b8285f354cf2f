import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { Problem } from "../../scripts/common/problem.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { rehearsalStack } from "../../scripts/stack/rehearsalStack.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";
import { checkStack } from "../../scripts/stack/checkStack.ts";
import { withoutMigration } from "../../scripts/stack/withoutMigration.ts";
import { exampleFragments, exampleSecrets, exampleStack } from "./exampleStack.ts";

/** A rehearsal as Compose reads it. */
function read(rehearsedServers: Readonly<Record<string, Stack>>, network = "example_backend") {
  const rehearsalEnvironment = rehearsalStack(
    new Map(Object.entries(rehearsedServers)),
    "example-rehearsal",
    network,
  );
  const model = parse(rehearsalEnvironment.text, { version: "1.1" }) as {
    name: string;
    services: Record<string, Record<string, unknown>>;
    networks: Record<string, unknown>;
    volumes: Record<string, unknown>;
  };
  return { rehearsalEnvironment, model };
}

const of = (stack: Stack, service: string) =>
  (stack.model["services"] as Record<string, ValueMap>)[service]!;
const environmentOf = (service: object) =>
  (service as { environment: Record<string, string> }).environment;

for (const environment of environmentNames) {
  const stack = exampleStack(environment);
  const { rehearsalEnvironment, model } = read({ candidate: stack, previous: stack });
  const services = Object.entries(model.services);

  test(`a rehearsal of ${environment} is two servers with their migrations, and no one else`, () => {
    assert.deepEqual(Object.keys(model.services).sort(), [
      "candidate",
      "candidate-migrate",
      "previous",
      "previous-migrate",
    ]);
    assert.deepEqual(
      rehearsalEnvironment.services.map((one) => one.name).sort(),
      Object.keys(model.services).sort(),
    );
    assert.equal(model.name, "example-rehearsal");
  });

  test(`no one sees a rehearsal of ${environment}: no port, no label, no waiting for others`, () => {
    for (const [name, service] of services)
      for (const key of ["ports", "labels", "depends_on", "network_mode", "container_name"])
        assert.ok(!(key in service), `${name}.${key}`);
    assert.ok("ports" in of(stack, "postgres") || "ports" in of(stack, "collector"));
  });

  test(`a rehearsal of ${environment} mounts the probe and nothing else; the rest is empty memory`, () => {
    for (const [name, service] of services) {
      const origin = of(stack, name.endsWith("-migrate") ? "migrate" : "server");
      const mounts = (origin["volumes"] ?? []) as string[];
      const probes = mounts.filter((one) => one.startsWith("probe:"));
      assert.deepEqual(service["volumes"] ?? [], probes, name);
      const others = mounts.filter((one) => !probes.includes(one));
      for (const mount of others)
        assert.ok((service["tmpfs"] as string[]).includes(mount.split(":")[1]!), mount);
    }
    assert.deepEqual(model.volumes, {
      probe: { external: true, name: `example-${environment}_probe` },
    });
  });

  test(`a rehearsal of ${environment} is on the copy, and reaches neither collector nor Redis`, () => {
    for (const [name, service] of services) {
      const environmentNow = environmentOf(service);
      const before = environmentOf(of(stack, name.endsWith("-migrate") ? "migrate" : "server"));
      const {
        LETTA_PG_URI: _uri,
        LETTA_OTEL_EXPORTER_OTLP_ENDPOINT: collector,
        LETTA_REDIS_HOST: redis,
        LETTA_REDIS_PORT: port,
        ...same
      } = before;
      assert.ok(collector && redis && port, "the example reaches them");
      assert.deepEqual(environmentNow, { ...same, LETTA_PG_URI: "${REHEARSAL_PG_URI}" }, name);
      assert.deepEqual(service["networks"], { backend: {} });
    }
    assert.ok(!rehearsalEnvironment.text.includes("@postgres:5432"));
  });

  test(`a rehearsal of ${environment} runs what the release runs, within its limits, and gives way to it`, () => {
    for (const [name, service] of services) {
      const origin = of(stack, name.endsWith("-migrate") ? "migrate" : "server");
      for (const key of ["image", "entrypoint", "command", "mem_limit", "read_only", "healthcheck"])
        assert.deepEqual(service[key], origin[key], `${name}.${key}`);
      const usual = 1024; // the engine's, which what serves has
      assert.ok((service["cpu_shares"] as number) < usual && !("cpu_shares" in origin), name);
    }
  });

  test(`a rehearsal of ${environment} is a stack that Compose takes, within the stack rules`, async () => {
    const whole = {
      ...stack,
      model: model as unknown as ValueMap,
      services: rehearsalEnvironment.services,
    };
    const faults = await checkStack(whole).then(
      () => [],
      (error: Problem) => error.details,
    );
    // A server that ends has failed: only there is no restart on purpose.
    assert.deepEqual(
      [...faults].sort(),
      ["candidate", "previous"].map(
        (name) => `services.${name}.restart: expected to be set, got nothing`,
      ),
    );
  });

  test(`no secret's value stands in a rehearsal of ${environment}`, () => {
    for (const value of Object.values(exampleSecrets))
      assert.ok(!rehearsalEnvironment.text.includes(value));
  });
}

test("a server that ends is not started again, and neither is its migration", () => {
  const { model } = read({ candidate: exampleStack("prod") });
  assert.equal(model.services["candidate"]!["restart"], undefined);
  assert.equal(model.services["candidate-migrate"]!["restart"], "no");
});

test("each server comes from its own release", () => {
  const image = (tag: string) => exampleStack("prod", { LETTA_IMAGE: `letta/letta:${tag}` });
  const { model } = read({ candidate: image("0.16.8"), previous: image("0.15.1") });
  const images = Object.entries(model.services).map(([name, one]) => [name, one["image"]]);
  assert.deepEqual(Object.fromEntries(images), {
    candidate: "letta/letta:0.16.8",
    "candidate-migrate": "letta/letta:0.16.8",
    previous: "letta/letta:0.15.1",
    "previous-migrate": "letta/letta:0.15.1",
  });
});

test("a release that serves without migrating is rehearsed without", () => {
  const parts = exampleFragments("prod");
  const { model } = read({ previous: withoutMigration(exampleStack("prod"), parts) });
  assert.deepEqual(Object.keys(model.services), ["previous"]);
});

test("a bundled database is reached over the stack's own network, one outside over a new one", () => {
  const stack = exampleStack("prod");
  assert.deepEqual(read({ a: stack }).model.networks, {
    backend: { external: true, name: "example_backend" },
  });
  assert.deepEqual(read({ a: stack }, "bridge").model.networks, { backend: {} });
});

test("the stacks it is made from stay as they were", () => {
  const stack = exampleStack("prod");
  const before = structuredClone(stack.model);
  read({ candidate: stack });
  assert.deepEqual(stack.model, before);
});
