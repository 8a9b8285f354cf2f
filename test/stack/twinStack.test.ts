import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { type TwinSink, twinStack } from "../../scripts/stack/twinStack.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";
import { bundledClickHouse, exampleStack } from "./exampleStack.ts";

const external: TwinSink = { kind: "clickhouse", image: "ch:1", user: "w", database: "otel" };
const configuration = "exporters: { x: { password: '${CLICKHOUSE_PASSWORD} $$' } }\n";

/** A twin as Compose reads it. */
function read(stack: Stack, sink: TwinSink) {
  const twin = twinStack(stack, "example-twin", configuration, sink);
  const model = parse(twin.text, { version: "1.1" }) as {
    services: Record<string, Record<string, unknown>>;
    networks: Record<string, unknown>;
    volumes: Record<string, unknown>;
    configs: Record<string, { content: string }>;
  };
  return { twin, model };
}

const cases = {
  "a bundled ClickHouse": [exampleStack("prod", bundledClickHouse), external],
  "a ClickHouse outside": [exampleStack("prod"), external],
  SigNoz: [exampleStack("prod"), { kind: "otlp" }],
} as const satisfies Record<string, readonly [Stack, TwinSink]>;

for (const [name, [stack, sink]] of Object.entries(cases)) {
  const { twin, model } = read(stack, sink);

  test(`with ${name}: a twin is a collector and a sink, and no one else`, () => {
    assert.deepEqual(Object.keys(model.services).sort(), ["clickhouse", "collector"]);
    assert.ok(twin.services.every((one) => one.kind === "service" && one.ports.length === 0));
  });

  test(`with ${name}: it reaches nothing but itself, and holds nothing of the stack but the probe`, () => {
    assert.deepEqual(model.networks, { telemetry: { internal: true } });
    const { probe, ...own } = model.volumes;
    assert.deepEqual(probe, { external: true, name: "example-prod_probe" });
    assert.ok(Object.values(own).every((one) => JSON.stringify(one) === "{}"));
    for (const service of Object.values(model.services)) {
      const mounts = service["volumes"] as string[];
      const known = ["probe:/probe:ro", "clickhouse:/var/lib/clickhouse"];
      assert.deepEqual(
        mounts.filter((one) => !known.includes(one)),
        [],
      );
      assert.deepEqual(service["networks"], { telemetry: {} });
    }
  });

  test(`with ${name}: its collector is made as in the stack, with the twin's configuration`, () => {
    const real = (stack.model["services"] as Record<string, ValueMap>)["collector"]!;
    for (const part of ["image", "user", "mem_limit", "healthcheck", "command", "configs"]) {
      assert.deepEqual(model.services["collector"]?.[part], real[part], part);
    }
    assert.equal(model.configs["collector"]?.content, configuration.replaceAll("$", "$$$$"));
  });

  test(`with ${name}: no secret's value is in its file`, () => {
    assert.ok(!/-secret-/.test(twin.text));
  });

  test(`with ${name}: every configuration that a service is given is there`, () => {
    const requested = Object.values(model.services).flatMap((one) =>
      ((one["configs"] ?? []) as { source: string }[]).map(({ source }) => source),
    );
    assert.deepEqual(
      requested.filter((source) => !(source in model.configs)),
      [],
    );
  });
}

test("what stands for SigNoz writes what it gets into its own container, which a stop leaves", () => {
  const { model } = read(...cases.SigNoz);
  assert.match(model.configs["received"]!.content, /path: \/received\.json/);
  assert.deepEqual(model.services["clickhouse"]?.["environment"], {});
  assert.equal(model.services["clickhouse"]?.["user"], "0:0");
});
