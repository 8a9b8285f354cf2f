import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { askClickHouse } from "../checks/askClickHouse.ts";
import { sendSpansOverHttp } from "../checks/canary.ts";
import { check, type Check } from "../checks/check.ts";
import { collectorClient, type CollectorClient } from "../checks/collectorClient.ts";
import { routeLimitMs, scrape } from "../checks/watchRoutes.ts";
import { Problem } from "../common/problem.ts";
import type { Engine, ObservedContainer } from "../docker/engine.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import type { Settings } from "../settings/readSettings.ts";
import { type Delivery, readDelivery } from "../stack/readDelivery.ts";
import {
  twinConfiguration,
  type TwinConfiguration,
  type TwinSink,
  twinSinkFile,
  twinSinkName,
  twinStack,
  type TwinStack,
} from "../stack/twinStack.ts";
import type { Context } from "../state/context.ts";
import { newestGood } from "../state/releases.ts";
import { installationId, readKey, secretKey } from "../state/secretKey.ts";
import { scratchProject, stateDirectory } from "../state/stateDirectory.ts";
import { writeFile } from "../state/writeFile.ts";
import { obtainImages } from "./obtainImages.ts";
import type { PreparedStack } from "./prepareStack.ts";
import { pastTarget } from "./target.ts";
import { waitFor } from "./waitFor.ts";

/** How long spans are sent with the sink there, without it, and with it again. */
const calmMs = 2000;
const downtimeMs = 10_000;
/** Every so often so many spans. */
const everyMs = 500;
const spansEach = 25;
/** The exporter's own longest wait between two tries, as otel/ has it. */
const longestRetryMs = 30_000;
/** For each part of the twin to come up. */
const startSeconds = 120;
const graceSeconds = 10;

interface Twin {
  readonly stack: TwinStack;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  readonly configuration: TwinConfiguration;
}

/**
 * Starts a twin, sends spans all the while, takes its sink away and brings it back, and waits
 * until all have come.
 * @returns the counts
 * @throws Error with the counts where they do not match; Problem STEP_FAILED where a part of
 *   the twin does not come up
 */
async function failOver(
  settings: Settings,
  twin: Twin,
  report: (text: string) => void,
  context: Context,
): Promise<string> {
  const { engine, now, signal } = context;
  const { configuration } = twin;
  const password = context.randomBytes(20).toString("hex");
  report("starts");
  const { container, start } = await make(settings, twin, password, context);
  await start(twinSinkName);
  await start("collector");
  const client = collectorClient("collector", new Map(), container("collector"), engine);
  const sink = container(twinSinkName);
  const trace = context.randomBytes(16).toString("hex");
  const send = sender(client, trace, context);

  report("spans are sent");
  await send(calmMs);
  report("disconnecting its backend");
  const left = now();
  await Promise.all([engine.stop(sink.id, graceSeconds), send(downtimeMs)]);
  report("reconnecting its backend");
  await start(twinSinkName);
  const back = now();
  const sent = await send(calmMs);

  const delivery = readDelivery(configuration.text);
  const limitMs = longestRetryMs + routeLimitMs(delivery.routes[0]!, delivery);
  const count = () => countSpans(sink.id, { configuration, delivery, password, trace }, engine);
  let found = await count();
  while (found.distinct < sent && now() - back < limitMs) {
    signal.throwIfAborted();
    report(`${found.distinct} of ${sent} spans are there`);
    await sleep(everyMs);
    found = await count();
  }
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const took = seconds(now() - back);
  const { failed, notQueued } = (await scrape(client)).exported(configuration.exporter, "traces");
  const lost = failed + notQueued;
  const counts = `${sent} spans sent, ${found.distinct} received, ${found.all - found.distinct} of them twice`;
  if (found.distinct !== sent || lost > 0) {
    throw new Error(
      `expected every span, got ${counts}, ${lost} given up, ${took} s after the sink`,
    );
  }
  return `${counts}; the sink was away for ${seconds(back - left)} s, all had come ${took} s later`;
}

/** Makes the twin's containers, with a password of their own for every secret. */
async function make(settings: Settings, { stack, file }: Twin, password: string, context: Context) {
  const { engine, signal } = context;
  const names = [...settings.secrets.keys(), "CLICKHOUSE_PASSWORD"];
  const secrets = Object.fromEntries(names.map((name) => [name, password]));
  const call = { file, project: stack.project, secrets };
  await engine.create(
    call,
    stack.services.map((one) => one.name),
  );
  const made = await engine.containers(stack.project);
  const container = (service: string): ObservedContainer =>
    made.find((one) => one.service === service)!;
  const start = async (service: string) => {
    const part = stack.services.find((one) => one.name === service)!;
    const { id } = container(service);
    const before = await engine.inspect(id);
    const starting = part.hasFiles ? engine.startWithFiles(call, service) : engine.start(id);
    await Promise.all([starting, waitFor(part, before, startSeconds, context, signal)]);
  };
  return { container, start };
}

/** Sends spans of one trace for a while. @returns a function that returns how many in all */
function sender(client: CollectorClient, trace: string, { now, signal }: Context) {
  let sent = 0;
  const spanId = (number: number) => number.toString(16).padStart(16, "0");
  return async (durationMs: number): Promise<number> => {
    for (const until = now() + durationMs; now() < until;) {
      signal.throwIfAborted();
      const next = now() + everyMs;
      const ids = Array.from({ length: spansEach }, (_, index) => spanId(sent + index + 1));
      await sendSpansOverHttp(client, trace, ids, now());
      sent += spansEach;
      await sleep(Math.max(0, next - now()));
    }
    return sent;
  };
}

/**
 * Takes the sink away from a throw-away twin of the telemetry while spans are sent, brings it
 * back, and counts: every span must be there. The stack itself is not touched. What an earlier
 * twin left is cleared away first.
 * @param directory where the twin's Compose file is written
 * @returns the check of that name; what went wrong on the twin is its failure
 * @throws the signal's reason after Ctrl-C
 */
export async function checkFailover(
  settings: Settings,
  prepared: PreparedStack,
  directory: string,
  context: Context,
): Promise<Check> {
  const made = await check("failover and retry", async () => {
    const configuration = twinConfiguration(prepared.collector, twinSinkName);
    if (configuration === undefined) {
      return { skipped: "nothing leaves this machine: the collector writes files itself" };
    }
    const project = scratchProject(
      settings.project,
      "twin",
      installationId(secretKey(directory, context.randomBytes)),
    );
    const sink = await sinkOf(settings, prepared, configuration, context);
    const stack = twinStack(prepared.stack, project, configuration.text, sink);
    const file = join(directory, "twin.yaml");
    writeFile(file, stack.text);
    await context.engine.down(project, true);
    try {
      return await context.reporter.step(
        "test failover and retry on a temporary collector",
        (report) => failOver(settings, { stack, file, configuration }, report, context),
        (seen) => seen,
      );
    } finally {
      await context.engine.down(project, true);
    }
  });
  context.signal.throwIfAborted();
  return made;
}

/** A ClickHouse of the stack is stood for by its own image, one outside by the image it would have. */
async function sinkOf(
  settings: Settings,
  { stack }: PreparedStack,
  { kind, user, database }: TwinConfiguration,
  context: Context,
): Promise<TwinSink> {
  if (kind === "otlp") return { kind };
  const bundled = stack.services.find((one) => one.name === twinSinkName)?.image;
  if (bundled !== undefined) return { kind, image: bundled, user, database };
  const images = await obtainImages(settings, ["CLICKHOUSE_IMAGE"], context);
  return { kind, image: images.bySetting.get("CLICKHOUSE_IMAGE")!, user, database };
}

/**
 * The sixth production check for what runs: failover and retry, on a twin of the last good
 * release's telemetry.
 * @throws Problem NOTHING_RUNS, ENGINE_UNREACHABLE, IMAGE_UNAVAILABLE
 */
export async function verifyFailover(settings: Settings, context: Context): Promise<Check> {
  const { environment } = settings;
  const release = newestGood(join(settings.stateDir, environment));
  if (release === undefined) {
    throw new Problem("NOTHING_RUNS", `nothing of ${environment} runs`, {
      next: bringUpCommand(environment),
    });
  }
  const directory = stateDirectory(settings.stateDir, environment);
  const observed = await context.engine.containers(settings.project);
  const making = {
    id: release.id,
    directory,
    observed,
    secretKey: readKey(directory),
    keeps: true,
  };
  const target = await pastTarget(settings, { ...release, restores: release.id }, making, context);
  return checkFailover(target.settings, target.prepared, directory, context);
}

interface Counted {
  readonly all: number;
  /** Without those that came more than once. */
  readonly distinct: number;
}

interface Counting {
  readonly configuration: TwinConfiguration;
  readonly delivery: Delivery;
  readonly password: string;
  /** The trace that all spans are of. */
  readonly trace: string;
}

/**
 * How many spans a twin's sink has.
 * @param sink its container
 * @throws Error where it does not tell
 */
async function countSpans(
  sink: string,
  { configuration, delivery, password, trace }: Counting,
  engine: Engine,
): Promise<Counted> {
  if (configuration.kind === "otlp") return countInFile(sink, engine);
  const { user, database } = configuration;
  const connect = () => engine.connect(sink, 8123);
  const reader = {
    url: "http://127.0.0.1:8123",
    user,
    password,
    caCertificate: undefined,
    connect,
  };
  const table = delivery.clickHouse!.tables.traces;
  const query = `SELECT count(), uniqExact(SpanId) FROM \`${table}\` WHERE TraceId = {trace:String}`;
  const { text, fault } = await askClickHouse(reader, database, query, { trace });
  if (fault !== 0) throw new Error(`the twin's sink answered ${text.slice(0, 300)}`);
  const [all = 0, distinct = 0] = text.split("\t").map(Number);
  return { all, distinct };
}

async function countInFile(sink: string, engine: Engine): Promise<Counted> {
  const script = `"$0" grep -o '"spanId":"[0-9a-f]*"' "$1" | "$0" sort | "$0" uniq -c`;
  const busybox = "/probe/busybox";
  const argv = [busybox, "sh", "-c", script, busybox, twinSinkFile];
  const { stdout } = await engine.exec(sink, argv);
  const counts = stdout.split("\n").flatMap((line) => /^\s*(\d+) /.exec(line)?.[1] ?? []);
  return { all: counts.reduce((sum, one) => sum + Number(one), 0), distinct: counts.length };
}
