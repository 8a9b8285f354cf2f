import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { canary, sendOverGrpc, sendOverHttp } from "../../scripts/checks/canary.ts";
import { explainExporter } from "../../scripts/checks/explainExporter.ts";
import { datadog, type Datadog } from "../fakes/datadog/datadog.ts";
import { spanLoad } from "../fakes/load/spanLoad.ts";
import {
  certificateAuthority,
  type CertificateAuthority,
} from "../fakes/otlp/certificateAuthority.ts";
import { clickHouse, type ClickHouse } from "../fakes/otlp/clickHouse.ts";
import { collector, gateway, hostName, type Collector } from "../fakes/otlp/collector.ts";
import { builtCollector, composed } from "../fakes/otlp/composed.ts";
import { signoz, type SigNoz, type SigNozParts } from "../fakes/signoz/signoz.ts";
import { portsOf } from "./portsOf.ts";

// The real collector of this version, with the configuration of prod in small portions, against
// the fakes: what arrives, what is retained through a refusal, and what its log tells of each fault.
const version = "0.96.0";
const name = "letta-test-backends";
const folder = mkdtempSync(join(tmpdir(), "backends-"));
const key = "rightKeyOfTheRig";
/** Every span, at once; no log file, which no server writes here. */
const settings = {
  OTEL_VERSION: version,
  OTEL_BATCH_TIMEOUT: "500ms",
  OTEL_SAMPLING_PERCENT: "100",
  OTEL_LOG_FILE: "false",
};
let image = "";
let made: CertificateAuthority;
let store: ClickHouse;

before(async () => {
  image = builtCollector({ ...settings, ...clickHouseSettings(), DD_API_KEY: key });
  made = certificateAuthority(folder, hostName);
  store = clickHouse({ name: `${name}-clickhouse`, network: name, port: portsOf("backends") + 10 });
  await store.start();
  assert.ok(await store.answers());
});
after(() => {
  store.remove();
  rmSync(folder, { recursive: true });
});

/** Good enough to choose the profile; the tests with ClickHouse take the container's own. */
function clickHouseSettings() {
  const own = { CLICKHOUSE_DATABASE: "otel", CLICKHOUSE_USERNAME: "default" };
  return { ...own, CLICKHOUSE_ENDPOINT: "http://clickhouse:8123", CLICKHOUSE_PASSWORD: "any" };
}

/** Runs a collector with these settings for as long as something is done with it. */
async function withCollector(
  given: Readonly<Record<string, string>>,
  act: (one: Collector) => Promise<void>,
  { trusts = true, starts = true } = {},
) {
  const { configuration, secrets } = composed("prod", { ...settings, ...given });
  const trusted = trusts ? { caFile: made.caFile } : {};
  const parts = {
    name,
    image,
    firstPort: portsOf("backends"),
    network: name,
    configuration,
    secrets,
  };
  const one = collector({ ...parts, ...trusted });
  try {
    await one.start();
    if (starts) assert.ok(await one.healthy(), one.log().join("\n"));
    await act(one);
  } finally {
    await one.remove();
  }
}

async function withSigNoz(
  parts: Partial<SigNozParts>,
  act: (fake: SigNoz, port: number) => Promise<void>,
) {
  const fake = await signoz({ host: gateway(), port: 0, key, ...parts });
  try {
    await act(fake, fake.port);
  } finally {
    fake.close();
  }
}

const signozSettings = (endpoint: string, sent = key) => ({
  SIGNOZ_ENDPOINT: endpoint,
  SIGNOZ_INGESTION_KEY: sent,
});

/** A canary of each signal. @returns their names */
async function sendCanaries(one: Collector) {
  const sent = canary(randomBytes(8).toString("hex"));
  await sendOverGrpc(one.grpcPort, sent, Date.now());
  await sendOverHttp(one, sent, Date.now());
  return { ...sent, span: sent.trace.slice(0, 16) };
}

/** Waits for what must become true; reports what it found instead. */
async function becomes(holds: () => boolean | Promise<boolean>, seen: () => unknown, ms = 20_000) {
  const until = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > until) assert.fail(`not within ${ms} ms: ${JSON.stringify(seen())}`);
    await sleep(100);
  }
}

/** Waits until the log tells of a trouble of an exporter's with the canary's signal. */
async function troubleOf(one: Collector, exporter: string, signal = "traces") {
  const find = () =>
    explainExporter(one.log()).find(
      (trouble) => trouble.exporter === exporter && trouble.signals.includes(signal),
    );
  await becomes(
    () => find() !== undefined,
    () => one.log().slice(-20),
  );
  return find()!;
}

test("spans, metrics and logs arrive at SigNoz over TLS, under the ingestion key", async () => {
  await withSigNoz({ caCertificate: made }, async ({ retained, counts }, port) => {
    await withCollector(signozSettings(`https://${hostName}:${port}`), async (one) => {
      const sent = await sendCanaries(one);
      const arrived = () =>
        retained.traces.has(sent.span) &&
        retained.metrics.has(sent.metric) &&
        retained.logs.has(sent.log);
      await becomes(arrived, () => ({ retained, log: one.log().slice(-5) }));
      assert.equal(counts.wrongKey, 0);
      assert.deepEqual(explainExporter(one.log()), []);
    });
  });
});

test("SigNoz without TLS is reached where its endpoint says http://", async () => {
  await withSigNoz({}, async ({ retained }, port) => {
    await withCollector(signozSettings(`http://${hostName}:${port}`), async (one) => {
      const sent = await sendCanaries(one);
      await becomes(
        () => retained.traces.has(sent.span),
        () => one.log().slice(-5),
      );
    });
  });
});

interface SigNozFault {
  readonly what: string;
  readonly fake?: Partial<SigNozParts>;
  readonly hasTls: boolean;
  readonly endpoint: (port: number) => string;
  readonly key?: string;
  readonly trusts?: boolean;
  readonly cause: string;
  readonly losesData: boolean;
}

const faults: readonly SigNozFault[] = [
  {
    what: "a wrong key",
    hasTls: true,
    endpoint: (port) => `https://${hostName}:${port}`,
    key: "wrongKey",
    cause: "wrong key",
    losesData: true,
  },
  {
    what: "an endpoint where nothing listens",
    hasTls: true,
    endpoint: () => `https://${hostName}:1`,
    cause: "unreachable",
    losesData: false,
  },
  {
    what: "a host that does not exist",
    hasTls: true,
    endpoint: () => "https://nowhere.letta.test:443",
    cause: "unreachable",
    losesData: false,
  },
  {
    what: "TLS against a port without it",
    hasTls: false,
    endpoint: (port) => `https://${hostName}:${port}`,
    cause: "TLS",
    losesData: false,
  },
  {
    what: "no TLS against a port with it",
    hasTls: true,
    endpoint: (port) => `http://${hostName}:${port}`,
    cause: "TLS",
    losesData: false,
  },
  {
    what: "a certificate that no one vouches for",
    hasTls: true,
    endpoint: (port) => `https://${hostName}:${port}`,
    trusts: false,
    cause: "TLS",
    losesData: false,
  },
];

for (const fault of faults) {
  test(`SigNoz: ${fault.what} is reported as: ${fault.cause}`, async () => {
    await withSigNoz(fault.hasTls ? { caCertificate: made } : {}, async (fake, port) => {
      const given = signozSettings(fault.endpoint(port), fault.key);
      const { trusts = true } = fault;
      await withCollector(
        given,
        async (one) => {
          await sendCanaries(one);
          const trouble = await troubleOf(one, "otlp/signoz");
          assert.equal(trouble.cause, fault.cause, trouble.said);
          assert.equal(trouble.losesData, fault.losesData, trouble.said);
          assert.equal(fake.retained.traces.size, 0);
        },
        { trusts },
      );
    });
  });
}

test("SigNoz: an endpoint without a port is refused with its place before a collector sees it", () => {
  const given = { ...settings, ...signozSettings(`https://${hostName}`) };
  assert.throws(
    () => composed("prod", given),
    (error: { code: string; details: string[] }) => {
      assert.equal(error.code, "COLLECTOR_INVALID");
      assert.match(error.details.join(), /otel\/signoz\.yaml:\d+: .* a host with its port/);
      return true;
    },
  );
});

test("SigNoz: what was throttled, refused and left without an answer arrives once it takes again", async () => {
  await withSigNoz({ caCertificate: made }, async (fake, port) => {
    await withCollector(signozSettings(`https://${hostName}:${port}`), async (one) => {
      const load = spanLoad({ port: one.grpcPort, perSecond: 200 });
      fake.mood = { does: "refuse", code: "RESOURCE_EXHAUSTED", retryAfterMs: 500 };
      await becomes(
        () => fake.counts.refused > 0,
        () => fake.counts,
      );
      assert.equal((await troubleOf(one, "otlp/signoz")).cause, "throttled");
      fake.mood = { does: "refuse", code: "UNAVAILABLE" };
      await sleep(2000);
      fake.mood = { does: "hang" };
      await sleep(2000);
      fake.mood = { does: "take" };
      await load.finish(5000);
      const { traces } = fake.retained;
      await becomes(
        () => traces.size === load.made(),
        () => ({ retained: traces.size, made: load.made() }),
        40_000,
      );
      const { failed, notQueued } = (await one.metrics()).exported("otlp/signoz", "traces");
      assert.deepEqual({ failed, notQueued }, { failed: 0, notQueued: 0 });
      const causes = explainExporter(one.log()).map(({ cause }) => cause);
      assert.ok(causes.includes("server error"), causes.join(", "));
    });
  });
});

test("SigNoz: a limit without a word on when to come again loses data at 0.96, and the log says so", async () => {
  await withSigNoz({ caCertificate: made }, async (fake, port) => {
    await withCollector(signozSettings(`https://${hostName}:${port}`), async (one) => {
      fake.mood = { does: "refuse", code: "RESOURCE_EXHAUSTED" };
      await sendCanaries(one);
      const trouble = await troubleOf(one, "otlp/signoz");
      assert.equal(trouble.cause, "throttled");
      assert.equal(trouble.losesData, true);
    });
  });
});

test("SigNoz: a silent lie is found by counting what it retained, by nothing else", async () => {
  await withSigNoz({ caCertificate: made }, async (fake, port) => {
    await withCollector(signozSettings(`https://${hostName}:${port}`), async (one) => {
      fake.mood = { does: "lie" };
      await sendCanaries(one);
      await becomes(
        () => fake.counts.lied >= 3,
        () => fake.counts,
      );
      await becomes(
        async () => (await one.metrics()).exported("otlp/signoz", "traces").sent === 1,
        () => one.log().slice(-5),
      );
      assert.equal((await one.metrics()).exported("otlp/signoz", "traces").failed, 0);
      assert.deepEqual(explainExporter(one.log()), []);
      assert.equal(fake.retained.traces.size, 0);
    });
  });
});

test("SigNoz: a batch that is taken and rejected span by span is found in the log", async () => {
  await withSigNoz({ caCertificate: made }, async (fake, port) => {
    await withCollector(signozSettings(`https://${hostName}:${port}`), async (one) => {
      fake.mood = { does: "reject" };
      await sendCanaries(one);
      const trouble = await troubleOf(one, "otlp/signoz");
      assert.equal(trouble.cause, "refused");
      assert.equal(trouble.losesData, true);
    });
  });
});

async function withDatadog(
  sent: string,
  act: (fake: Datadog, one: Collector) => Promise<void>,
): Promise<void> {
  const fake = await datadog({ host: gateway(), port: 0, key });
  const url = `http://${hostName}:${fake.port}`;
  try {
    const given = { ...store.settings, DD_API_KEY: sent, DD_URL: url };
    await withCollector(given, (one) => act(fake, one));
  } finally {
    await fake.close();
  }
}

const inClickHouse = async (span: string) =>
  (await store.ask(`SELECT count() FROM otel.otel_traces WHERE SpanId = '${span}'`))[0]?.[0] ===
  "1";

test("spans, their statistics, metrics, logs and the host arrive at Datadog, alongside ClickHouse", async () => {
  await withDatadog(key, async ({ retained, counts }, one) => {
    const sent = await sendCanaries(one);
    const seen = () => ({ retained, counts: [...counts], log: one.log().slice(-5) });
    const { spans, points, lines, hits } = retained;
    await becomes(() => spans.has(sent.span) && points.has(sent.metric), seen, 30_000);
    await becomes(() => lines.has(sent.log) && hits.size > 0, seen, 30_000);
    await becomes(() => inClickHouse(sent.span), seen);
    const answered = [...counts]
      .map(([path, by]) => `${path} ${Object.keys(by).join()}`)
      .filter((one) => one !== "/api/beta/sketches 202") // a histogram, if one came meanwhile
      .sort();
    assert.deepEqual(answered, [
      "/api/v0.2/stats 202",
      "/api/v0.2/traces 200",
      "/api/v1/validate 200",
      "/api/v2/logs 202",
      "/api/v2/series 202",
      "/intake 202",
    ]);
  });
});

test("Datadog: a wrong key is reported as such, and ClickHouse goes on", async () => {
  await withDatadog("wrongKey", async (fake, one) => {
    const sent = await sendCanaries(one);
    for (const signal of ["traces", "metrics", "logs"]) {
      assert.equal((await troubleOf(one, "datadog", signal)).cause, "wrong key", signal);
    }
    await becomes(
      () => inClickHouse(sent.span),
      () => one.log().slice(-5),
    );
    assert.equal(
      fake.retained.spans.size + fake.retained.points.size + fake.retained.lines.size,
      0,
    );
  });
});

test("Datadog: an address where nothing listens is reported as such", async () => {
  const given = { ...store.settings, DD_API_KEY: key, DD_URL: `http://${hostName}:1` };
  await withCollector(given, async (one) => {
    await sendCanaries(one);
    for (const signal of ["traces", "metrics", "logs"]) {
      assert.equal((await troubleOf(one, "datadog", signal)).cause, "unreachable", signal);
    }
  });
});

test("Datadog: metrics and logs outlast a refusal; spans under way do not at 0.96, and the log says so", async () => {
  await withDatadog(key, async (fake, one) => {
    const refused = (status: number) => fake.counts.get("/api/v0.2/traces")?.[status] === 1;
    const seen = () => [...fake.counts];
    fake.mood = { does: "refuse", status: 429 };
    const first = await sendCanaries(one);
    await becomes(() => refused(429), seen);
    fake.mood = { does: "refuse", status: 503 };
    const second = await sendCanaries(one);
    await becomes(() => refused(503), seen);
    fake.mood = { does: "take" };
    const { points, lines, spans } = fake.retained;
    const arrived = () =>
      [first, second].every(({ metric, log }) => points.has(metric) && lines.has(log));
    await becomes(arrived, () => ({ points, lines, log: one.log().slice(-5) }), 40_000);
    assert.equal(spans.size, 0);
    const lost = explainExporter(one.log()).filter(
      (trouble) => trouble.exporter === "datadog" && trouble.losesData,
    );
    assert.deepEqual(lost.map(({ cause }) => cause).sort(), ["server error", "throttled"]);
    await becomes(
      () => inClickHouse(second.span),
      () => one.log().slice(-5),
    );
  });
});

const clickHouseFaults: [what: string, given: Record<string, string>, cause: string][] = [
  ["a wrong password", { CLICKHOUSE_PASSWORD: "wrongPassword" }, "wrong key"],
  [
    "an address where nothing listens",
    { CLICKHOUSE_ENDPOINT: `http://${hostName}:1` },
    "unreachable",
  ],
  [
    "TLS against a port without it",
    { CLICKHOUSE_ENDPOINT: `https://${name}-clickhouse:8123` },
    "TLS",
  ],
];

for (const [what, given, cause] of clickHouseFaults) {
  test(`ClickHouse: ${what} ends the collector at its start, which is reported as: ${cause}`, async () => {
    await withCollector(
      { ...store.settings, ...given },
      async (one) => {
        await becomes(
          () => one.state().status === "exited",
          () => one.log(),
        );
        const [trouble] = explainExporter(one.log());
        assert.equal(trouble?.cause, cause, one.log().slice(-5).join("\n"));
      },
      { starts: false },
    );
  });
}

test("ClickHouse: what it does not take for a while arrives once it is back", async () => {
  await withCollector(store.settings, async (one) => {
    const load = spanLoad({ port: one.grpcPort, perSecond: 200 });
    await sleep(2000);
    await store.stop();
    assert.equal((await troubleOf(one, "clickhouse")).cause, "unreachable");
    await store.start();
    await load.finish(5000);
    const stored = async () => {
      const rows = await store
        .ask("SELECT uniqExact(SpanId) FROM otel.otel_traces WHERE SpanName = 'load'")
        .catch(() => []);
      return Number(rows[0]?.[0]);
    };
    await becomes(
      async () => (await stored()) === load.made(),
      () => load.made(),
      60_000,
    );
  });
});
