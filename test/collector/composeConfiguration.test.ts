import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parse } from "yaml";
import { chooseProfile } from "../../scripts/collector/chooseProfile.ts";
import { composeConfiguration } from "../../scripts/collector/composeConfiguration.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { exampleValues, lookupOf, root } from "../stack/exampleStack.ts";
import { backends } from "./backends.ts";

interface Composed {
  readonly exporters: Record<string, Record<string, unknown>>;
  readonly processors: Record<string, Record<string, unknown>>;
  readonly service: { extensions: string[]; pipelines: Record<string, Record<string, string[]>> };
}

function composed(environment: string, changed: Readonly<Record<string, string>>): string {
  const lookup = lookupOf(new Map([...exampleValues(environment), ...Object.entries(changed)]));
  return composeConfiguration(root, chooseProfile(environment, lookup).fragments, lookup);
}

const read = (text: string) => parse(text, { version: "1.1" }) as Composed;

for (const environment of environmentNames) {
  for (const [name, values] of Object.entries(backends)) {
    test(`${environment} with ${name} composes without a fault, twice to the same bytes`, () => {
      assert.equal(composed(environment, values), composed(environment, values));
    });

    test(`${environment} with ${name} holds no secret's value`, () => {
      const text = composed(environment, values);
      assert.ok(!/-secret-/.test(text));
      const secrets = Object.entries(values).filter(([, value]) => value.includes("-secret-"));
      for (const [secret] of secrets)
        assert.ok(text.includes(`\${${secret}}`), `${secret} is read by nobody`);
    });
  }
}

test("each signal goes to every exporter of the chosen fragments", () => {
  const { pipelines } = read(composed("dev", backends["clickhouse+datadog"])).service;
  assert.deepEqual(pipelines["traces"]?.["exporters"], [
    "clickhouse",
    "datadog",
    "datadog/connector",
    "file/traces",
  ]);
  assert.deepEqual(pipelines["logs"]?.["exporters"], ["clickhouse", "datadog", "file/logs"]);
});

test("what leaves the machine goes through the queue on disk", () => {
  const { exporters, service } = read(composed("prod", backends.clickhouse));
  assert.ok(service.extensions.includes("file_storage/queue"));
  const queue = exporters["clickhouse"]?.["sending_queue"] as { storage: string };
  assert.equal(queue.storage, "file_storage/queue");
});

test("a count that a setting brings is a number for the collector, a duration is not", () => {
  const { processors } = read(
    composed("dev", { OTEL_BATCH_SIZE: "512", OTEL_BATCH_TIMEOUT: "2s" }),
  );
  assert.deepEqual(processors["batch"], { timeout: "2s", send_batch_size: 512 });
});

test("a dollar in a setting is doubled, so that the collector reads it as one", () => {
  const text = composed("dev", { LETTA_ENVIRONMENT: "a$b${HOME}" });
  const { attributes } = read(text).processors["resource"] as { attributes: { value: string }[] };
  assert.equal(attributes[0]?.value, "a$$b$${HOME}");
});

test("digits that no number keeps stay a text", () => {
  const { exporters } = read(
    composed("prod", { ...backends.clickhouse, CLICKHOUSE_USERNAME: "007" }),
  );
  assert.equal(exporters["clickhouse"]?.["username"], "007");
});

const folder = mkdtempSync(join(tmpdir(), "fragments-"));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "otel"));

test("what cannot be read is refused with its file and line", () => {
  writeFileSync(join(folder, "otel", "base.yaml"), "receivers:\n  otlp: {\n");
  assert.throws(
    () => composeConfiguration(folder, ["base"], () => undefined),
    (error: { code: string; details: string[] }) => {
      assert.equal(error.code, "COLLECTOR_INVALID");
      assert.match(error.details[0]!, /^otel\/base\.yaml:\d+: /);
      return true;
    },
  );
});

test("a name that no setting declares is refused", () => {
  writeFileSync(join(folder, "otel", "base.yaml"), "receivers: { otlp: '${OTLP_PROT}' }\n");
  assert.throws(() => composeConfiguration(folder, ["base"], () => undefined), {
    code: "COLLECTOR_INVALID",
    details: ["otel/: ${OTLP_PROT}: expected a declared setting"],
  });
});
