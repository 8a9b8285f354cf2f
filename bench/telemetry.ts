import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import { readDelivery } from "../scripts/stack/readDelivery.ts";
import { triedVersions } from "../scripts/stack/versionSteps.ts";
import type { CollectorMetrics } from "../scripts/checks/collectorClient.ts";
import { isTaken, requestOf, spanLoad } from "../test/fakes/load/spanLoad.ts";
import {
  certificateAuthority,
  type CertificateAuthority,
} from "../test/fakes/otlp/certificateAuthority.ts";
import { clickHouse, type ClickHouse } from "../test/fakes/otlp/clickHouse.ts";
import { collector, gateway, hostName, type Collector } from "../test/fakes/otlp/collector.ts";
import { builtCollector, composed, isHere, type Composed } from "../test/fakes/otlp/composed.ts";
import { signoz, type SigNoz } from "../test/fakes/signoz/signoz.ts";
import { original, type OriginalName } from "./originals.ts";
import type { Row } from "./releases.ts";
import { spanLateness, spanTable } from "./spanTable.ts";

const network = "letta-bench-telemetry";
const key = "keyOfTheRig";
const warmMs = 5000;
const windowMs = 20_000;
/** Spans taken in and not yet out: as long as more wait, none are sent. */
const mostWaiting = 60_000;
const senders = 4;
const spansPerRequest = 512;

/** The memory limiter's own limit, and the container's. */
const limitMiB = 1024;

/** Ours and the original that goes to the same place. */
const pairs: readonly (readonly [OriginalName, environment: string, profile: Profile])[] = [
  ["file", "prod", "file"],
  ["file-dev", "dev", "file"],
  ["clickhouse", "staging", "clickhouse"],
  ["clickhouse-dev", "dev", "clickhouse"],
  ["clickhouse-prod", "prod", "clickhouse"],
  ["signoz", "prod", "signoz"],
];
type Profile = "file" | "clickhouse" | "signoz";

interface Sinks {
  readonly store: ClickHouse;
  readonly fake: SigNoz;
  readonly made: CertificateAuthority;
}

type Run = Pick<Composed, "configuration" | "secrets" | "image">;

/**
 * How many spans a second go through each profile for as long as one likes, alongside the original
 * configuration of the same name, at 0.96.0 and at the newest version; and how long a span is
 * under way to its row. Nothing is sampled. SigNoz' fake server throws away what it is given, and
 * ClickHouse's engine runs one query at a time: the figures are the collector's and the sink's.
 */
export async function telemetry(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "telemetry-"));
  const made = certificateAuthority(folder, hostName);
  const fake = await signoz({ host: gateway(), port: 0, key, caCertificate: made });
  fake.mood = { does: "lie" };
  const store = clickHouse({ name: `${network}-clickhouse`, network, port: 24210 });
  const sinks = { store, fake, made };
  const rows: Row[] = [];
  const add = (row: Row) => {
    rows.push(row);
    process.stderr.write(`  ${row.what}: ${row.ours} | ${row.theirs}\n`);
  };
  try {
    await store.start();
    if (!(await store.answers())) throw new Error("ClickHouse does not answer");
    const image = builtCollector(settingsOf("clickhouse", sinks));
    // All composed before the first is measured: minutes later the tree may be another.
    const runs = pairs.map(([name, environment, profile]) => ({
      what: `${profile} in ${environment}`,
      name,
      ours: oursAt(environment, profile, sinks),
      theirs: { ...theirsOf(name, sinks), image },
      newest: oursAt(environment, profile, sinks, triedVersions.newest),
    }));
    for (const run of runs) {
      const ours = reported(await sustained(run.ours, sinks));
      const theirs = reported(await sustained(run.theirs, sinks));
      const what = `${run.what}, ${triedVersions.oldest} / ${run.name}: spans a second`;
      add({ what, ours, theirs, claim: "none lost, memory held" });
    }
    for (const { what, newest } of runs.filter((run) => isHere(run.newest.image))) {
      const ours = reported(await sustained(newest, sinks));
      add({
        what: `${what}, ${triedVersions.newest}: spans a second`,
        ours,
        theirs: "",
        claim: "",
      });
    }
    for (const environment of ["dev", "prod"] as const) add(await delay(environment, image, sinks));
    return rows;
  } finally {
    fake.close();
    await store.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

function settingsOf(profile: Profile, { store, fake }: Sinks): Record<string, string> {
  const common = { OTEL_SAMPLING_PERCENT: "100", OTEL_LOG_FILE: "false" };
  if (profile === "file") return common;
  if (profile === "clickhouse") return { ...common, ...store.settings };
  const endpoint = `https://${hostName}:${fake.port}`;
  return { ...common, SIGNOZ_ENDPOINT: endpoint, SIGNOZ_INGESTION_KEY: key };
}

function oursAt(
  environment: string,
  profile: Profile,
  sinks: Sinks,
  version: string = triedVersions.oldest,
): Run {
  return composed(environment, { ...settingsOf(profile, sinks), OTEL_VERSION: version });
}

function theirsOf(name: OriginalName, { store, fake }: Sinks): Omit<Run, "image"> {
  const endpoint = `https://${hostName}:${fake.port}`;
  const parts = { clickHouse: store.settings, database: "otel", signoz: { endpoint, key } };
  return { configuration: original(name, parts), secrets: {} };
}

interface Figure {
  readonly perSecond: number;
  readonly lost: number;
  readonly peakMiB: number;
  readonly restarted: boolean;
}

/** Sends as fast as it is taken, but never lets more wait inside than a little. */
async function sustained(run: Run, { made, store }: Sinks): Promise<Figure> {
  await store.ask("DROP DATABASE IF EXISTS otel");
  const name = "letta-bench-telemetry-collector";
  const one = collector({ name, firstPort: 24200, network, caFile: made.caFile, ...run });
  const { routes } = readDelivery(run.configuration);
  const exporters = routes.filter(({ signal }) => signal === "traces");
  const sent = (own: CollectorMetrics) =>
    Math.min(...exporters.map(({ exporter }) => own.exported(exporter, "traces").sent));
  const lost = (own: CollectorMetrics) =>
    exporters.reduce((sum, { exporter }) => {
      const { failed, notQueued } = own.exported(exporter, "traces");
      return sum + failed + notQueued;
    }, 0);
  try {
    await one.start();
    if (!(await one.answers())) throw new Error(one.log().slice(-5).join("\n"));
    const load = fullLoad(one);
    let peak = 0;
    let first: { at: number; sent: number } | undefined;
    let last = { at: 0, sent: 0 };
    const started = performance.now();
    while (performance.now() - started < warmMs + windowMs) {
      await sleep(200);
      const own = await one.metrics();
      last = { at: performance.now(), sent: sent(own) };
      load.out = last.sent;
      peak = Math.max(peak, own.residentBytes ?? 0);
      if (first === undefined && last.at - started > warmMs) first = last;
    }
    await load.end();
    const perSecond = ((last.sent - first!.sent) / (last.at - first!.at)) * 1000;
    const { isOutOfMemory, restarts, status } = one.state();
    const restarted = isOutOfMemory || restarts > 0 || status !== "running";
    return { perSecond, lost: lost(await one.metrics()), peakMiB: peak / 2 ** 20, restarted };
  } finally {
    await one.remove();
  }
}

/** The same few requests again and again: making them costs nothing of the two cores. */
function fullLoad(one: Collector) {
  const requests = Array.from({ length: 16 }, () => requestOf(spansPerRequest));
  const load = { out: 0, taken: 0, isOn: true };
  const sender = async (index: number) => {
    const client = new Client(`127.0.0.1:${one.grpcPort}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    for (let turn = index; load.isOn; turn += 1) {
      if (load.taken - load.out > mostWaiting) await sleep(5);
      else if (await isTaken(client, requests[turn % requests.length]!))
        load.taken += spansPerRequest;
      else await sleep(50);
    }
    client.close();
  };
  const sending = Array.from({ length: senders }, (_, index) => sender(index));
  return Object.assign(load, {
    async end() {
      load.isOn = false;
      await Promise.all(sending);
    },
  });
}

function reported({ perSecond, lost, peakMiB, restarted }: Figure): string {
  const held = peakMiB <= limitMiB && !restarted ? "" : ", NOT HELD";
  const rate = Math.round(perSecond).toLocaleString("en");
  return `${rate} (${Math.round(peakMiB)} MiB${held}${lost > 0 ? `, ${lost} LOST` : ""})`;
}

/** From a span's end to its row, at a rate as a busy server has it. */
async function delay(environment: "dev" | "prod", image: string, sinks: Sinks): Promise<Row> {
  const { store } = sinks;
  const seen = async (run: Run, database: string, firstPort: number) => {
    await store.ask(`CREATE DATABASE ${database}`);
    await store.ask(spanTable(database));
    const name = `letta-bench-telemetry-${database.replace("_", "-")}`;
    const one = collector({ name, firstPort, network, ...run });
    try {
      await one.start();
      if (!(await one.answers())) throw new Error(one.log().slice(-5).join("\n"));
      const load = spanLoad({ port: one.grpcPort, perSecond: 200, batch: 10 });
      await sleep(30_000);
      await load.finish(5000);
      await sleep(12_000);
    } finally {
      await one.remove();
    }
    const [row = []] = await store.ask(
      `SELECT quantileExact(0.5)(${spanLateness}), quantileExact(0.99)(${spanLateness}) FROM ${database}.otel_traces`,
    );
    const [p50 = 0, p99 = 0] = row.map(Number);
    return `p50 ${p50.toFixed(2)} s, p99 ${p99.toFixed(2)} s`;
  };
  const settings = {
    ...settingsOf("clickhouse", sinks),
    CLICKHOUSE_DATABASE: `ours_${environment}`,
  };
  const signoz = { endpoint: "", key: "" };
  const name = environment === "dev" ? "clickhouse-dev" : "clickhouse-prod";
  const database = `original_${environment}`;
  const configuration = original(name, { clickHouse: store.settings, database, signoz });
  const [ours, theirs] = await Promise.all([
    seen(composed(environment, settings), `ours_${environment}`, 24200),
    seen({ configuration, secrets: {}, image }, database, 24220),
  ]);
  return { what: `a span's end to its row, ${environment} / ${name}`, ours, theirs, claim: "" };
}
