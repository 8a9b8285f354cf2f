import assert from "node:assert/strict";
import { test } from "node:test";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { checkStackRules } from "../../scripts/stack/stackRules.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { readServices } from "../../scripts/stack/readServices.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";
import { exampleStack } from "./exampleStack.ts";

/** The faults of dev's stack after one service was spoilt. */
function faults(service: string, spoil: (of: ValueMap) => void): string[] {
  const stack = exampleStack("dev");
  const model = structuredClone(stack.model);
  spoil((model["services"] as Record<string, ValueMap>)[service]!);
  return checkStackRules({ ...stack, model, services: readServices(model) } satisfies Stack);
}

for (const environment of environmentNames) {
  test(`${environment}'s own stack breaks no stack rule`, () => {
    assert.deepEqual(checkStackRules(exampleStack(environment)), []);
  });
}

test("dev's stack with a proxy and a certificate of one's own breaks none either", () => {
  const files = { PROXY_CERT_FILE: "proxy.pem", PROXY_KEY_FILE: "proxy.key" };
  const stack = exampleStack("dev", { PROXY: "true", ...files });
  assert.ok(stack.services.some((one) => one.name === "proxy"));
  assert.deepEqual(checkStackRules(stack), []);
});

/** Each rule and a stack that breaks it, with what is said of it. */
const broken: readonly [description: string, (of: ValueMap) => void, fault: RegExp][] = [
  [
    "an image of the tag latest",
    (of) => (of["image"] = "a/b:latest"),
    /server\.image: expected .* got a\/b:latest$/,
  ],
  [
    "an image without a tag",
    (of) => (of["image"] = "host:5000/a/b"),
    /server\.image: expected .* got host:5000\/a\/b$/,
  ],
  [
    "no health check",
    (of) => delete of["healthcheck"],
    /server\.healthcheck: expected a health check/,
  ],
  ["no memory limit", (of) => delete of["mem_limit"], /server\.mem_limit: expected to be set/],
  ["no share of the processor", (of) => delete of["cpus"], /server\.cpus: expected to be set/],
  [
    "no limit of processes",
    (of) => delete of["pids_limit"],
    /server\.pids_limit: expected to be set/,
  ],
  [
    "no grace period",
    (of) => delete of["stop_grace_period"],
    /server\.stop_grace_period: expected to be set/,
  ],
  ["no restart policy", (of) => delete of["restart"], /server\.restart: expected to be set/],
  ["no init", (of) => (of["init"] = false), /server\.init: expected true/],
  [
    "logs that are never rotated",
    (of) => (of["logging"] = { driver: "json-file" }),
    /server\.logging: expected rotation/,
  ],
  [
    "capabilities it was born with",
    (of) => delete of["cap_drop"],
    /server\.cap_drop: expected \[ALL\]/,
  ],
  [
    "new privileges",
    (of) => (of["security_opt"] = []),
    /server\.security_opt: expected no-new-privileges/,
  ],
  [
    "the default network",
    (of) => delete of["networks"],
    /server\.networks: expected named networks/,
  ],
  [
    "an open port",
    (of) => (of["ports"] = ["0.0.0.0:80:80"]),
    /server\.ports: expected 127\.0\.0\.1, got 0\.0\.0\.0/,
  ],
  [
    "a port of all addresses",
    (of) => (of["ports"] = ["8283:8283"]),
    /server\.ports: expected 127\.0\.0\.1/,
  ],
  [
    "the engine's socket",
    (of) => (of["volumes"] = ["/var/run/docker.sock:/s"]),
    /server\.volumes: expected no engine socket/,
  ],
  [
    "an environment of its own",
    (of) => ((of["environment"] as ValueMap)["EXTRA"] = "1"),
    /migrate\.environment: expected the server's/,
  ],
];

for (const [description, spoil, fault] of broken) {
  test(`a server with ${description} breaks one rule`, () => {
    const found = faults("server", spoil);
    assert.equal(found.length, 1, found.join("\n"));
    assert.match(found[0]!, fault);
  });
}

test("a job needs no health check", () => {
  assert.deepEqual(
    faults("permissions", (of) => delete of["healthcheck"]),
    [],
  );
});

test("a digest pins an image as well as a tag", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  for (const image of [`a/b@${digest}`, `a/b:1@${digest}`, digest]) {
    assert.deepEqual(
      faults("server", (of) => (of["image"] = image)),
      [],
    );
  }
});

test("half a digest pins nothing", () => {
  assert.equal(faults("server", (of) => (of["image"] = "a/b@sha256:0123")).length, 1);
});
