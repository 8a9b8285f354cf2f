import assert from "node:assert/strict";
import test from "node:test";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { renderStack } from "../../scripts/stack/renderStack.ts";
import { exampleFragments } from "./exampleStack.ts";

function rendered(collectors: number) {
  const parts = exampleFragments("prod");
  const others = ["collector-2", "collector-3"].map((name) => [name, "exporters: {}\n"] as const);
  const configs = new Map([...parts.configs, ...others]);
  const stack = renderStack({ ...parts, configs, collectors });
  const services = stack.model["services"] as Record<string, ValueMap>;
  return { stack, services, collector: services["collector"]!, second: services["collector-2"]! };
}

test("one collector is just itself", () => {
  assert.equal(rendered(1).second, undefined);
});

test("each further collector has a queue of its own and answers to the same name", () => {
  const { second, services, stack } = rendered(3);
  assert.deepEqual(second["networks"], { telemetry: { aliases: ["collector"] } });
  assert.ok((second["volumes"] as string[]).includes("telemetry-2:/var/lib/otelcol"));
  assert.ok(
    (services["collector-3"]!["volumes"] as string[]).includes("telemetry-3:/var/lib/otelcol"),
  );
  const volumes = Object.keys(stack.model["volumes"] as ValueMap);
  assert.deepEqual(
    volumes.filter((name) => name.startsWith("telemetry")),
    ["telemetry", "telemetry-2", "telemetry-3"],
  );
});

test("their volumes are made writable before they start", () => {
  const mounts = rendered(2).services["permissions"]!["volumes"] as string[];
  assert.ok(mounts.includes("telemetry-2:/telemetry-2"));
});

test("the log files are read by exactly one, and no port is published twice", () => {
  const { collector, second } = rendered(2);
  const mounts = (service: ValueMap) => (service["volumes"] as string[]).join(" ");
  for (const log of [/\blogs:/, /\baccess:/]) {
    assert.match(mounts(collector), log);
    assert.doesNotMatch(mounts(second), log);
  }
  assert.equal("ports" in second, false);
  assert.deepEqual(second["configs"], [
    { source: "collector-2", target: "/etc/otelcol-contrib/config.yaml" },
  ]);
});

test("what is rendered for one does not change when there are more", () => {
  assert.deepEqual(rendered(1).collector, rendered(3).collector);
});
