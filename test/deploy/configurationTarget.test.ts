import assert from "node:assert/strict";
import { test } from "node:test";
import { configurationTarget } from "../../scripts/deploy/target.ts";
import { settingsText } from "../../scripts/deploy/describeRelease.ts";
import { labels } from "../../scripts/stack/renderStack.ts";
import { imageIdOf, preparation, settingsOf, targetOf } from "./exampleTarget.ts";

const before = {
  LETTA_VERSION: "0.15.1",
  OTEL_VERSION: "0.97.0",
  POSTGRES_IMAGE: "pgvector/pgvector:0.8.0-pg17",
  GRAFANA_IMAGE: "grafana/grafana:11.0.0",
  SERVER_MEMORY: "1g",
  OTEL_BATCH_TIMEOUT: "3s",
};
const past = targetOf(settingsOf("prod", before), "000003");
const present = targetOf(settingsOf("prod", { SERVER_MEMORY: "4g", PROXY_DOMAIN: "new.example" }));
const mixed = configurationTarget(past, present, preparation);
const service = (target: typeof past, name: string) =>
  target.prepared.stack.services.find((one) => one.name === name)!;

test("every part has the image of now", () => {
  for (const { name, image } of mixed.prepared.stack.services)
    assert.equal(image, service(present, name).image, name);
  assert.notEqual(service(past, "server").image, service(present, "server").image);
  assert.ok(!mixed.prepared.stack.text.includes("letta/letta:0.15.1"));
});

test("settings and configuration are those of then", () => {
  assert.equal(mixed.settings.get("SERVER_MEMORY"), "1g");
  assert.equal(mixed.settings.has("PROXY_DOMAIN"), false);
  assert.equal(mixed.prepared.collector, past.prepared.collector);
  assert.match(mixed.prepared.stack.text, /mem_limit: 1g/);
  assert.doesNotMatch(mixed.prepared.stack.text, /mem_limit: 4g|new\.example/);
});

test("its settings name the images it has, everywhere where they can be asked", () => {
  const { settings } = mixed;
  for (const name of [
    "LETTA_VERSION",
    "OTEL_VERSION",
    "POSTGRES_IMAGE",
    "GRAFANA_IMAGE",
  ] as const) {
    const expected = present.settings.get(name);
    assert.notEqual(expected, past.settings.get(name));
    assert.equal(settings.get(name), expected);
    assert.equal(settings.lookup(name)?.value, expected);
    assert.deepEqual(
      settings.entries().flatMap((one) => (one.name === name ? [one.value] : [])),
      [expected],
    );
    assert.equal(settings.layers(name).find((one) => one.wins)?.value, expected);
  }
});

test("its text of settings is then's but for the images", () => {
  const lines = (target: typeof past) => settingsText(target.settings).trimEnd().split("\n");
  const then = new Set(lines(past));
  const now = new Set(lines(present));
  const other = lines(mixed).filter((line) => !then.has(line));
  assert.deepEqual(other.map((line) => line.split("=", 1)[0]).sort(), [
    "GRAFANA_IMAGE",
    "LETTA_VERSION",
    "OTEL_VERSION",
    "POSTGRES_IMAGE",
  ]);
  for (const line of other) assert.ok(now.has(line), line);
  assert.equal(lines(mixed).length, then.size);
});

test("it is content of its own, and its parts say so", () => {
  assert.equal(mixed.restores, null);
  for (const { name, labels: carried } of mixed.prepared.stack.services) {
    assert.equal(carried[labels.release], preparation.id);
    const then = service(past, name);
    const isSame = then.image === service(present, name).image;
    assert.equal(carried[labels.digest] === then.labels[labels.digest], isSame, name);
  }
  assert.notEqual(service(past, "server").image, service(mixed, "server").image);
});

test("what is changed neither then's stack nor now's", () => {
  assert.deepEqual(past.prepared.stack, targetOf(settingsOf("prod", before)).prepared.stack);
  assert.equal(past.settings.get("LETTA_VERSION"), "0.15.1");
});

test("back to the present's own configuration nothing differs but the release", () => {
  const same = configurationTarget(present, present, preparation);
  assert.equal(same.prepared.stack.text, present.prepared.stack.text);
  assert.equal(settingsText(same.settings), settingsText(present.settings));
});

test("a part that only then's release has keeps its image, and that has an id", () => {
  const outside = { LETTA_PG_URI: "postgresql://letta:outside-secret@db.example/letta" };
  const now = targetOf(settingsOf("prod", outside));
  const { prepared, images } = configurationTarget(past, now, preparation);
  const postgres = prepared.stack.services.find((one) => one.name === "postgres")!;
  assert.equal(images.idByReference.get(postgres.image), imageIdOf(before.POSTGRES_IMAGE));
});
