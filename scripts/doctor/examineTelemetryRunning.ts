import { setTimeout as sleep } from "node:timers/promises";
import { diagnose, skipped, type Finding, type Judgement } from "../diagnosis/diagnose.ts";
import { diagnoseCollector } from "../diagnosis/diagnoseCollector.ts";
import { diagnoseExporter } from "../diagnosis/diagnoseExporter.ts";
import { cpuSeconds, diagnoseLatency, queueFills } from "../diagnosis/diagnoseLatency.ts";
import { diagnoseLogFile, readLogFolder } from "../diagnosis/diagnoseLogFile.ts";
import { diagnoseOtlpGrpc, diagnoseOtlpHttp } from "../diagnosis/diagnoseOtlp.ts";
import { diagnoseQueue, readQueueFolder } from "../diagnosis/diagnoseQueue.ts";
import { diagnoseServerWay } from "../diagnosis/diagnoseServerWay.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import type { Tools } from "../parts/tools.ts";
import { collectorDoor, type CollectorDoor } from "../verification/collectorDoor.ts";
import { collectorMetrics } from "../verification/collectorMetrics.ts";
import type { ExpectedCollector } from "../verification/expectation.ts";
import { explainExporter } from "../verification/explainExporter.ts";
import { readMetrics, type Sample } from "../verification/readMetrics.ts";
import type { TelemetryScene } from "./examineTelemetry.ts";

/** Between two looks at what a collector has used. */
const lookMs = 1000;
const logLines = 1000;

/**
 * What can be said of the collectors that run, each with what it says of itself.
 * @param blind why none can be looked at; undefined where they can
 */
export async function examineTelemetryRunning(
  scene: TelemetryScene,
  blind: string | undefined,
  tools: Tools,
): Promise<Finding[]> {
  const { expected, containers, next } = scene;
  const server = runningServer(scene);
  const each = expected.collectors.map((collector, index) => {
    const container = containers.find((one) => one.service === collector.service);
    return examineCollector(scene, collector, { container, blind, isDoor: index === 0 }, tools);
  });
  const way = diagnose(
    "server to collector",
    () =>
      server === undefined
        ? skipped(blind ?? "no server runs")
        : diagnoseServerWay(server.id, tools.engine, next.logs("server")),
    next.logs("server"),
  );
  return [...(await Promise.all(each)).flat(), await way];
}

interface Seat {
  readonly container: ObservedContainer | undefined;
  readonly blind: string | undefined;
  /** The one that publishes its ports, and reads the log file. */
  readonly isDoor: boolean;
}

async function examineCollector(
  scene: TelemetryScene,
  collector: ExpectedCollector,
  { container, blind, isDoor }: Seat,
  tools: Tools,
): Promise<Finding[]> {
  const { settings, expected, next } = scene;
  const { engine } = tools;
  const prefix = isDoor ? "" : `${collector.service} `;
  const nothing = `nothing of ${settings.environment} runs`;
  const why = blind ?? (container === undefined ? nothing : undefined);
  const runs = container?.state === "running";
  const door = collectorDoor(collector.service, collector.published, container, engine);
  // Its start is reckoned from how long it says it is up: rather too early than too late, on a busy
  // machine by seconds, as what was said in those would count as of the run before.
  const askedMs = tools.now();
  const samples = once(() => scrapeSamples(door));
  const log = once(async () =>
    scene.redact(await engine.tail(container!.id, logLines)).split("\n"),
  );
  const look = (name: string, make: () => Judgement | Promise<Judgement>) =>
    diagnose(
      prefix + name,
      () => (runs ? make() : skipped(why ?? "its collector does not run")),
      next.logs(collector.service),
    );
  const own = diagnose(
    prefix === "" ? "collector" : collector.service,
    async () => {
      if (why !== undefined || container === undefined) {
        return skipped(why ?? nothing, blind === undefined ? next.bringUp : null);
      }
      const [inspected, lines, version] = await Promise.all([
        engine.inspect(container.id),
        log(),
        runs ? versionOf(container.id, tools) : undefined,
      ]);
      const seen = { inspected, log: lines, version };
      const ways = { bringUp: next.bringUp, logs: next.logs(collector.service) };
      return diagnoseCollector(seen, settings.get("OTEL_VERSION"), ways);
    },
    next.logs(collector.service),
  );
  const exporters = [...new Set(expected.delivery.routes.map((one) => one.exporter))];
  return Promise.all([
    own,
    ...(isDoor
      ? [
          look("OTLP gRPC", () => diagnoseOtlpGrpc(expected.grpcPort, tools.now, next.bringUp)),
          look("OTLP HTTP", () => diagnoseOtlpHttp(door, next.bringUp)),
          look("log file", async () => {
            if (settings.get("OTEL_LOG_FILE") !== "true") return skipped("OTEL_LOG_FILE is false");
            const server = runningServer(scene)?.name;
            const folder = await readLogFolder(container!.id, engine);
            return diagnoseLogFile(folder, { server, bringUp: next.bringUp });
          }),
        ]
      : []),
    look("queue", async () => {
      const [folder, found] = await Promise.all([
        readQueueFolder(container!.id, engine),
        samples().catch(() => []),
      ]);
      return diagnoseQueue(folder, queueFills(found), next);
    }),
    look("latency", async () => {
      const before = await samples();
      await sleep(lookMs);
      const after = await scrapeSamples(door);
      return diagnoseLatency(paceOf(scene, collector, before, after), settings.environment);
    }),
    ...exporters.map((exporter) =>
      look(`exporter ${exporter}`, async () => {
        const [found, lines] = await Promise.all([samples(), log()]);
        const { routes } = expected.delivery;
        const signals = routes.flatMap((one) => (one.exporter === exporter ? [one.signal] : []));
        const troubles = explainExporter(lines).filter((one) => one.exporter === exporter);
        const metrics = collectorMetrics(found);
        const seen = { exporter, signals, metrics, troubles, nowMs: askedMs };
        return diagnoseExporter(seen, next.verify);
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
    serverMs: expected.serverGathersMs,
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

async function scrapeSamples(door: CollectorDoor): Promise<Sample[]> {
  const reply = await door.ask(8888, "/metrics");
  if (reply.status !== 200) throw new Error(`its metrics answer ${reply.status}`);
  return readMetrics(reply.body);
}

async function versionOf(id: string, { engine }: Tools): Promise<string | undefined> {
  // One that is about to end again cannot be asked.
  const said = await engine.exec(id, ["/otelcol-contrib", "--version"]).catch(() => undefined);
  return /\bversion v?(\S+)/.exec(said?.stdout ?? "")?.[1];
}

function once<Result>(make: () => Promise<Result>): () => Promise<Result> {
  let made: Promise<Result> | undefined;
  return () => (made ??= make());
}
