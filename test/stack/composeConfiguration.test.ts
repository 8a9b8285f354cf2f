import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { composeConfiguration } from "../../scripts/stack/composeConfiguration.ts";
import { triedVersions } from "../../scripts/stack/versionSteps.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { lookupOf } from "./exampleStack.ts";
import { backends } from "./backends.ts";
import { composed, readComposed } from "./composed.ts";

const versions = Object.values(triedVersions);

for (const environment of environmentNames) {
  for (const [name, values] of Object.entries(backends)) {
    for (const logFile of ["true", "false"]) {
      for (const version of versions) {
        const changed = { ...values, OTEL_LOG_FILE: logFile };
        const description = `${environment} with ${name}, log file ${logFile}, for ${version}`;

        test(`${description} composes without a fault, twice to the same bytes`, () => {
          const text = composed(environment, changed, { version });
          assert.equal(text, composed(environment, changed, { version }));
        });
      }
    }

    test(`${environment} with ${name} holds no secret's value`, () => {
      const text = composed(environment, values);
      assert.ok(!/-secret-/.test(text));
      const secrets = Object.entries(values).filter(([, value]) => value.includes("-secret-"));
      for (const [secret] of secrets)
        assert.ok(text.includes(`\${${secret}}`), `${secret} is read by no one`);
    });
  }
}

test("each signal goes to every exporter of the chosen fragments", () => {
  const { pipelines } = readComposed("dev", backends["clickhouse+datadog"]).service;
  for (const signal of ["traces", "metrics", "logs"]) {
    const expected = ["clickhouse", "datadog", `file/${signal}`];
    assert.deepEqual(pipelines[signal]?.exporters, expected);
  }
});

test("Datadog counts requests before sampling takes some away", () => {
  const { pipelines } = readComposed("prod", backends["clickhouse+datadog"]).service;
  assert.ok(pipelines["traces"]?.processors.includes("probabilistic_sampler"));
  assert.deepEqual(pipelines["traces/datadog"], {
    receivers: ["otlp"],
    processors: ["memory_limiter", "resource", "filter/health"],
    exporters: ["datadog/connector"],
  });
});

test("what takes out comes before what samples, and batches are made last", () => {
  const { pipelines } = readComposed("prod", {
    ...backends.clickhouse,
    OTEL_REMOVED_ATTRIBUTES: "^x",
  }).service;
  assert.deepEqual(pipelines["traces"]?.processors, [
    "memory_limiter",
    "resource",
    "filter/health",
    "transform/privacy",
    "transform/canary",
    "probabilistic_sampler",
    "batch",
  ]);
  assert.deepEqual(pipelines["metrics"]?.processors, ["memory_limiter", "resource", "batch"]);
});

for (const exporter of ["clickhouse", "datadog", "otlp/signoz"]) {
  test(`${exporter} queues on disk and tries for ever`, () => {
    const backend = exporter === "otlp/signoz" ? "signoz" : "clickhouse+datadog";
    const { exporters } = readComposed("prod", backends[backend]);
    const { sending_queue, retry_on_failure } = exporters[exporter] as Record<
      string,
      Record<string, unknown>
    >;
    assert.deepEqual(sending_queue, {
      num_consumers: 4,
      queue_size: 2000,
      storage: "file_storage/queue",
    });
    assert.equal(retry_on_failure?.["max_elapsed_time"], "0s");
  });
}

test("settings say how long ClickHouse and the files keep", () => {
  const { exporters } = readComposed("dev", {
    ...backends.clickhouse,
    CLICKHOUSE_TTL: "48h",
    OTEL_FILE_DAYS: "3",
  });
  assert.equal(exporters["clickhouse"]?.["ttl"], "48h");
  const { rotation } = exporters["file/logs"]!;
  assert.deepEqual(rotation, { max_megabytes: 100, max_days: 3, max_backups: 5 });
});

test("the server's log file is read from its beginning, with offsets retained and retries on", () => {
  const { receivers, service } = readComposed("prod", { OTEL_LOG_FILE: "true" });
  assert.deepEqual(service.pipelines["logs"]?.receivers, ["otlp", "filelog", "filelog/access"]);
  const { start_at, storage, retry_on_failure } = receivers["filelog"]!;
  assert.deepEqual([start_at, storage], ["beginning", "file_storage/queue"]);
  assert.deepEqual(retry_on_failure, { enabled: true, max_elapsed_time: "0s" });
});

test("a further replica is composed without the log file and under its own name", () => {
  const changed = { ...backends.clickhouse, OTEL_LOG_FILE: "true" };
  const first = readComposed("prod", changed);
  const further = readComposed("prod", changed, { replica: 2 });
  assert.deepEqual(further.service.pipelines["logs"]?.receivers, ["otlp"]);
  assert.deepEqual(Object.keys(further.receivers), ["otlp", "prometheus/own"]);
  const own = (receivers: object) => JSON.stringify(receivers).match(/"replica":"[^"]*"/g);
  assert.deepEqual(own(first.receivers), ['"replica":"collector"']);
  assert.deepEqual(own(further.receivers), ['"replica":"collector-2"']);
  assert.deepEqual(further.exporters, first.exporters);
  assert.deepEqual(further.extensions, first.extensions);
});

test("all telemetry says which installation it is from, by an id that stays a text", () => {
  const { processors } = readComposed("prod", {}, { deviceId: "0123456789012345" });
  const { attributes } = processors["resource"] as {
    attributes: { key: string; value: unknown }[];
  };
  assert.equal(attributes.find((one) => one.key === "device.id")?.value, "0123456789012345");
});

test("a count that a setting brings is a number for the collector, a duration is not", () => {
  const changed = { OTEL_BATCH_SIZE: "512", OTEL_BATCH_TIMEOUT: "2s" };
  const { processors } = readComposed("dev", changed);
  assert.deepEqual(processors["batch"], { timeout: "2s", send_batch_size: 512 });
});

test("half a percent of the traces is a number too", () => {
  const { processors } = readComposed("dev", { OTEL_SAMPLING_PERCENT: "0.5" });
  assert.equal(processors["probabilistic_sampler"]?.["sampling_percentage"], 0.5);
});

test("a user's name of digits stays a text", () => {
  for (const name of ["007", "12"]) {
    const { exporters } = readComposed("prod", {
      ...backends.clickhouse,
      CLICKHOUSE_USERNAME: name,
    });
    assert.equal(exporters["clickhouse"]?.["username"], name);
  }
});

test("a dollar in a setting is doubled, so that the collector reads it as one", () => {
  const { processors } = readComposed("dev", { LETTA_ENVIRONMENT: "a$b${HOME}" });
  const { attributes } = processors["resource"] as { attributes: { value: string }[] };
  assert.equal(attributes[0]?.value, "a$$b$${HOME}");
});

test("a pattern of attributes stays one inside the collector's own language", () => {
  const text = JSON.stringify(
    readComposed("dev", { OTEL_REMOVED_ATTRIBUTES: String.raw`^http\.a|"b$` }).processors,
  );
  const statement = String.raw`delete_matching_keys(attributes, "^http\\.a|\"b$$")`;
  assert.ok(text.includes(JSON.stringify(statement).slice(1, -1)));
});

const folder = mkdtempSync(join(tmpdir(), "fragments-"));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "otel"));

const refused = (base: string, details: readonly RegExp[], values: Record<string, string> = {}) => {
  writeFileSync(join(folder, "otel", "base.yaml"), base);
  assert.throws(
    () => composeConfiguration(folder, ["base"], lookupOf(new Map(Object.entries(values)))),
    (error: { code: string; details: string[] }) => {
      assert.equal(error.code, "COLLECTOR_INVALID");
      for (const detail of details) {
        assert.ok(
          error.details.some((one) => detail.test(one)),
          error.details.join("\n"),
        );
      }
      return true;
    },
  );
};

test("what cannot be read is refused with its file and line", () => {
  refused("receivers:\n  otlp: {\n", [/^otel\/base\.yaml:\d+: /]);
});

test("a name that no setting declares is refused with its file and line", () => {
  refused("receivers:\n  otlp: '${OTLP_PROT}'\n", [
    /^otel\/base\.yaml:2: \$\{OTLP_PROT\}: expected a declared setting$/,
  ]);
});

test("a setting that is used and not set is refused with its file and line, a secret too", () => {
  refused(
    'exporters:\n  clickhouse:\n    database: "${CLICKHOUSE_DATABASE}"\n    password: "${CLICKHOUSE_PASSWORD}"\n',
    [
      /^otel\/base\.yaml:3: CLICKHOUSE_DATABASE: expected a value, got nothing$/,
      /^otel\/base\.yaml:4: CLICKHOUSE_PASSWORD: expected a value, got nothing$/,
    ],
  );
});

test("a component that is not there is refused at the line that names it", () => {
  const pipeline = "    traces:\n      exporters: [file/tracez]\n";
  refused(`exporters:\n  file/traces: {}\nservice:\n  pipelines:\n${pipeline}`, [
    /^otel\/base\.yaml:6: service\.pipelines\.traces: expected a defined component, got file\/tracez$/,
    /^otel\/base\.yaml:2: exporters\.file\/traces: expected to be used, nothing names it$/,
  ]);
});

test("an unusable version is refused before anything is composed", () => {
  assert.throws(() => composed("dev", {}, { version: "0.95.0" }), {
    code: "COLLECTOR_INVALID",
    details: [
      `OTEL_VERSION: expected 0.96.0 to ${triedVersions.newest}, got 0.95.0: what is written for 0.96.0 was never tried below it`,
    ],
  });
});

test("without a version of its own, it is composed for OTEL_VERSION", () => {
  const version = triedVersions.newest;
  assert.equal(composed("dev", { OTEL_VERSION: version }), composed("dev", {}, { version }));
});
