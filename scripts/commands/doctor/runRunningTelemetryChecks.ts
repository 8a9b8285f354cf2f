import { setTimeout as sleep } from "node:timers/promises";
import { type CheckResult, type Finding, runCheck, skipped } from "../../checks/check.ts";
import {
  checkCollectorContainer,
  checkExporter,
  checkExporterQueue,
  checkLatency,
  cpuSeconds,
  queueFills,
  readQueueFolder,
} from "../../checks/checkCollector.ts";
import { checkLogFile, readLogFolder } from "../../checks/checkLogFile.ts";
import { checkOtlpGrpc, checkOtlpHttp } from "../../checks/checkSinks.ts";
import { checkServerToCollector } from "../../checks/checkConnection.ts";
import type { ObservedContainer } from "../../docker/engine.ts";
import type { Context } from "../../state/context.ts";
import {
  collectorClient,
  type CollectorClient,
  collectorMetrics,
  readMetrics,
  type Sample,
} from "../../checks/collectorClient.ts";
import type { ExpectedCollector } from "../../checks/expectation.ts";
import { explainExporter } from "../../checks/explainExporter.ts";
import type { TelemetryScene } from "./telemetryScene.ts";

/** Between two looks at what a collector has used. */
const lookMs = 1000;
const logLines = 1000;

/**
 * What can be said of the collectors that run, each with what it says of itself.
 * @param blind why none can be looked at; undefined where they can
 */
export async function runRunningTelemetryChecks(
  scene: TelemetryScene,
  blind: string | undefined,
  context: Context,
): Promise<Finding[]> {
  const { expected, containers, next } = scene;
  const server = runningServer(scene);
  const each = expected.collectors.map((collector, index) => {
    const container = containers.find((one) => one.service === collector.service);
    return runCollectorChecks(
      scene,
      collector,
      { container, blind, isProxied: index === 0 },
      context,
    );
  });
  const serverPath = runCheck(
    "server to collector",
    () =>
      server === undefined
        ? skipped(blind ?? "no server runs")
        : checkServerToCollector(server.id, context.engine, next.logs("server")),
    next.logs("server"),
  );
  return [...(await Promise.all(each)).flat(), await serverPath];
}

interface Seat {
  readonly container: ObservedContainer | undefined;
  readonly blind: string | undefined;
  /** The one that publishes its ports, and reads the log file. */
  readonly isProxied: boolean;
}

async function runCollectorChecks(
  scene: TelemetryScene,
  collector: ExpectedCollector,
  { container, blind, isProxied }: Seat,
  context: Context,
): Promise<Finding[]> {
  const { settings, expected, next } = scene;
  const { engine } = context;
  const prefix = isProxied ? "" : `${collector.service} `;
  const nothing = `nothing of ${settings.environment} runs`;
  const why = blind ?? (container === undefined ? nothing : undefined);
  const runs = container?.state === "running";
  const client = collectorClient(collector.service, collector.published, container, engine);
  // Its start is reckoned from how long it says it is up: rather too early than too late, on a busy
  // machine by seconds, as what was said in those would count as of the run before.
  const askedMs = context.now();
  const samples = once(() => scrapeSamples(client));
  const log = once(async () =>
    scene.redact(await engine.tail(container!.id, logLines)).split("\n"),
  );
  const look = (name: string, make: () => CheckResult | Promise<CheckResult>) =>
    runCheck(
      prefix + name,
      () => (runs ? make() : skipped(why ?? "its collector does not run")),
      next.logs(collector.service),
    );
  const own = runCheck(
    prefix === "" ? "collector" : collector.service,
    async () => {
      if (why !== undefined || container === undefined) {
        return skipped(why ?? nothing, blind === undefined ? next.bringUp : null);
      }
      const [inspected, lines, version] = await Promise.all([
        engine.inspect(container.id),
        log(),
        runs ? versionOf(container.id, context) : undefined,
      ]);
      const seen = { inspected, log: lines, version };
      const strategies = { bringUp: next.bringUp, logs: next.logs(collector.service) };
      return checkCollectorContainer(seen, settings.get("OTEL_VERSION"), strategies);
    },
    next.logs(collector.service),
  );
  const exporters = [...new Set(expected.delivery.routes.map((one) => one.exporter))];
  return Promise.all([
    own,
    ...(isProxied
      ? [
          look("OTLP gRPC", () => checkOtlpGrpc(expected.grpcPort, context.now, next.bringUp)),
          look("OTLP HTTP", () => checkOtlpHttp(client, next.bringUp)),
          look("log file", async () => {
            if (settings.get("OTEL_LOG_FILE") !== "true") return skipped("OTEL_LOG_FILE is false");
            const server = runningServer(scene)?.name;
            const folder = await readLogFolder(container!.id, engine);
            return checkLogFile(folder, { server, bringUp: next.bringUp });
          }),
        ]
      : []),
    look("queue", async () => {
      const [folder, found] = await Promise.all([
        readQueueFolder(container!.id, engine),
        samples().catch(() => []),
      ]);
      return checkExporterQueue(folder, queueFills(found), next);
    }),
    look("latency", async () => {
      const before = await samples();
      await sleep(lookMs);
      const after = await scrapeSamples(client);
      return checkLatency(paceOf(scene, collector, before, after), settings.environment);
    }),
    ...exporters.map((exporter) =>
      look(`exporter ${exporter}`, async () => {
        const [found, lines] = await Promise.all([samples(), log()]);
        const { routes } = expected.delivery;
        const signals = routes.flatMap((one) => (one.exporter === exporter ? [one.signal] : []));
        const troubles = explainExporter(lines).filter((one) => one.exporter === exporter);
        const metrics = collectorMetrics(found);
        const seen = { exporter, signals, metrics, troubles, nowMs: askedMs };
        return checkExporter(seen, next.verify);
      }),
    ),
  ]);
}

function paceOf(
  { expected, stack }: TelemetryScene,
  { service, memoryLimit }: ExpectedCollector,
  before: readonly Sample[],
  after: readonly Sample[],
) {
  const model = (stack.model["services"] as Record<string, { cpus?: unknown }>)[service];
  const [from, to] = [cpuSeconds(before), cpuSeconds(after)];
  const metrics = collectorMetrics(after);
  const refused = (["traces", "metrics", "logs"] as const).map((one) => metrics.refused(one));
  return {
    serverMs: expected.serverBatchDelayMs,
    batchMs: expected.delivery.batchMs,
    cpuShare:
      from === undefined || to === undefined
        ? undefined
        : (to - from) / (lookMs / 1000) / (Number(model?.cpus) || 1),
    residentBytes: metrics.residentBytes,
    memoryLimit,
    refused: refused.reduce((sum, one) => sum + one, 0),
    queues: queueFills(after),
  };
}

function runningServer({ containers, expected }: TelemetryScene): ObservedContainer | undefined {
  const { service } = expected.server;
  return containers.find((one) => one.service === service && one.state === "running");
}

async function scrapeSamples(client: CollectorClient): Promise<Sample[]> {
  const reply = await client.ask(8888, "/metrics");
  if (reply.status !== 200) throw new Error(`its metrics answer ${reply.status}`);
  return readMetrics(reply.body);
}

async function versionOf(id: string, { engine }: Context): Promise<string | undefined> {
  // One that is about to end again cannot be asked.
  const said = await engine.exec(id, ["/otelcol-contrib", "--version"]).catch(() => undefined);
  return /\bversion v?(\S+)/.exec(said?.stdout ?? "")?.[1];
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => (made ??= make());
}
