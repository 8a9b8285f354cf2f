import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObservedContainer } from "../../scripts/docker/engine.ts";
import { planChanges, type Migration } from "../../scripts/deploy/planChanges.ts";
import { labels, renderStack } from "../../scripts/stack/renderStack.ts";
import { exampleFragments } from "../stack/exampleStack.ts";

const stack = renderStack({ ...exampleFragments("dev"), secretDigest: () => "a digest" });
const imageIds = new Map(stack.services.map((one) => [one.image, `id of ${one.image}`]));

/** The stack's containers as they are when all is well, but for what is changed in them. */
function running(
  changed: Record<string, Partial<ObservedContainer> | "gone"> = {},
): ObservedContainer[] {
  return stack.services.flatMap((service): ObservedContainer[] => {
    const change = changed[service.name];
    if (change === "gone") return [];
    const job = service.kind === "job";
    return [
      {
        id: `id-${service.name}`,
        name: `example-dev-${service.name}-1`,
        service: service.name,
        state: job ? "exited" : "running",
        health: job ? "none" : "healthy",
        exitCode: job ? 0 : undefined,
        image: service.image,
        imageId: `id of ${service.image}`,
        labels: service.labels,
        ...change,
      },
    ];
  });
}

/** A plan in words: what is to be done and why; what is as it should be stays unsaid. */
function plan(
  observed: readonly ObservedContainer[],
  ids: ReadonlyMap<string, string> = imageIds,
  migration?: Migration,
): string {
  const lines = planChanges(stack, observed, ids, migration).filter((one) => one.action !== "none");
  return lines.map((one) => `${one.action} ${one.service}: ${one.causes.join(", ")}`).join("\n");
}

const label = (service: string, name: string, value: string) => ({
  labels: { ...stack.services.find((one) => one.name === service)!.labels, [name]: value },
});

test("an empty engine gets everything, in the order in which it starts", () => {
  assert.equal(
    plan([]),
    `
create postgres: there is no container
create migrate: there is no container
create permissions: there is no container
create collector: there is no container
create redis: there is no container
create server: there is no container`.trimStart(),
  );
});

test("a stack that runs as it should needs nothing", () => {
  assert.equal(plan(running()), "");
});

test("only the service that is missing is made", () => {
  assert.equal(plan(running({ collector: "gone" })), "create collector: there is no container");
});

test("a service that was rendered otherwise is recreated, and nothing else", () => {
  const observed = running({ server: label("server", labels.digest, "another") });
  assert.equal(plan(observed), "recreate server: configuration changed");
});

test("a rotated secret recreates the services that carry another digest of it", () => {
  const observed = running({ server: label("server", labels.secrets, "another") });
  assert.equal(plan(observed), "recreate server: a secret changed");
});

test("a rotated database password recreates no database, also one of a release that carried its digest", () => {
  assert.equal(plan(running({ postgres: label("postgres", labels.secrets, "another") })), "");
});

test("an image that was built anew under its old tag recreates", () => {
  assert.equal(
    plan(running({ collector: { imageId: "older" } })),
    "recreate collector: image changed",
  );
});

test("an image that the engine does not know yet is no cause", () => {
  assert.equal(plan(running(), new Map()), "");
});

test("all causes are reported, not the first alone", () => {
  const changed = { ...label("server", labels.digest, "another"), imageId: "older" };
  assert.equal(
    plan(running({ server: changed })),
    "recreate server: configuration changed, image changed",
  );
});

test("a new release alone recreates nothing", () => {
  assert.equal(plan(running({ server: label("server", labels.release, "000099") })), "");
});

const states: readonly [string, Partial<ObservedContainer>, string][] = [
  ["server", { state: "exited", exitCode: 137, health: "none" }, "start server: exited (137)"],
  ["server", { state: "created", health: "none" }, "start server: created"],
  ["server", { state: "paused", health: "none" }, "start server: paused"],
  ["server", { state: "dead", health: "none" }, "start server: dead"],
  ["server", { health: "unhealthy" }, "start server: unhealthy"],
  ["server", { health: "starting" }, "start server: not healthy yet"],
  ["server", { health: "none" }, ""],
  ["migrate", { state: "created", exitCode: undefined }, "start migrate: has not run"],
  ["migrate", { state: "exited", exitCode: 1 }, "start migrate: ended with 1"],
  ["migrate", { state: "running", exitCode: undefined }, "start migrate: still running"],
];

for (const [service, found, expected] of states) {
  const { state = "running", health, exitCode } = found;
  const how = [state, health, exitCode].filter((one) => one !== undefined).join(", ");
  test(`${service} found ${how} → ${expected || "nothing"}`, () => {
    assert.equal(plan(running({ [service]: found })), expected);
  });
}

test("what is no longer part of the stack is removed, with what is left of it", () => {
  const [server] = running().slice(-1);
  const old = { ...server!, service: "sidecar", name: "example-dev-sidecar-1" };
  assert.equal(plan([...running(), old]), "remove sidecar: no longer part of the stack");
});

test("Compose's leftover of a cut-off recreation is removed, and not taken for the service itself", () => {
  const observed = running({ server: { name: "0123456789ab_example-dev-server-1" } });
  assert.equal(
    plan(observed),
    "create server: there is no container\nremove 0123456789ab_example-dev-server-1: left over by Compose",
  );
});

test("a migration that is due runs, although one has run: that may have been on another database", () => {
  const due = plan(running(), imageIds, "due");
  assert.equal(due, "start migrate: this database is not migrated yet");
  assert.equal(plan(running(), imageIds, "done"), "");
});

test("where the schema is right a migration that did not run is left alone", () => {
  const observed = running({ migrate: { exitCode: 1 } });
  assert.equal(plan(observed, imageIds, "done"), "start migrate: ended with 1");
  assert.equal(plan(observed, imageIds, "idle"), "");
});

test("jobs that ended and were pruned are no difference while what needed them runs", () => {
  const pruned = running({ migrate: "gone", permissions: "gone" });
  assert.equal(plan(pruned), "");
  assert.equal(plan(pruned, imageIds, "due"), "create migrate: there is no container");
});

test("a pruned job is made again with anything that has to change", () => {
  const observed = running({ permissions: "gone", server: "gone" });
  assert.equal(
    plan(observed),
    "create permissions: there is no container\ncreate server: there is no container",
  );
});
