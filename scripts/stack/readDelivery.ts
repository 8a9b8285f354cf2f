import { durationMs } from "../common/units.ts";
import { parse } from "yaml";

/** What the collector tells apart in its pipelines. */
export const signals = ["traces", "metrics", "logs"] as const;
export type Signal = (typeof signals)[number];

/** One way out: what comes in over OTLP as this signal leaves through this exporter. */
export interface Route {
  readonly exporter: string;
  readonly signal: Signal;
  /** The longest a single delivery may take before it counts as failed. */
  readonly timeoutMs: number;
}

/** Where ClickHouse's exporter writes. */
export interface ClickHouseSink {
  readonly exporter: string;
  readonly endpoint: string;
  readonly database: string;
  readonly tables: Readonly<Record<Signal, string>>;
}

/** What a configuration promises of what is sent to it. */
export interface Delivery {
  readonly routes: readonly Route[];
  /** The longest an item waits for others, over all batching on its way. */
  readonly batchMs: number;
  /** Items after which a batch is full, and the most it may hold (0: no such limit). */
  readonly batchSize: number;
  readonly batchMaximum: number;
  /** The file each signal is written to, where there is one. */
  readonly files: Readonly<Partial<Record<Signal, string>>>;
  readonly clickHouse: ClickHouseSink | undefined;
}

type Node = { readonly [key: string]: unknown };

interface Pipeline {
  readonly receivers?: readonly string[];
  readonly exporters?: readonly string[];
}

/**
 * Reads from a composed configuration what has to arrive where: nothing else says it twice.
 * @param text YAML as composeConfiguration made it, of now or of a past release
 */
export function readDelivery(text: string): Delivery {
  const configuration = (parse(text, { version: "1.1" }) ?? {}) as Node;
  const section = (name: string) => (configuration[name] ?? {}) as Record<string, Node | null>;
  const exporters = section("exporters");
  const routes = reached(configuration, section("connectors")).map(([exporter, signal]) => ({
    exporter,
    signal,
    timeoutMs: timeoutOf(exporter, exporters[exporter] ?? {}),
  }));
  const batches = Object.entries(section("processors"))
    .filter(([name]) => typeOf(name) === "batch")
    .map(([, batch]) => batch ?? {});
  const files = routes.flatMap(({ exporter, signal }) =>
    typeOf(exporter) === "file" ? [[signal, String(exporters[exporter]?.["path"])] as const] : [],
  );
  const clickHouse = routes.find((one) => typeOf(one.exporter) === "clickhouse")?.exporter;
  return {
    routes,
    batchMs: Math.max(0, ...batches.map((one) => durationMs(String(one["timeout"] ?? "200ms")))),
    batchSize: Math.max(0, ...batches.map((one) => Number(one["send_batch_size"] ?? 8192))),
    batchMaximum: Math.max(0, ...batches.map((one) => Number(one["send_batch_max_size"] ?? 0))),
    files: Object.fromEntries(files),
    clickHouse:
      clickHouse === undefined
        ? undefined
        : clickHouseSink(clickHouse, exporters[clickHouse] ?? {}),
  };
}

/**
 * The exporters that what comes over OTLP gets to. A connector hands on what it takes where it
 * leads to the same signal; what it makes of it for another signal is no delivery.
 */
function reached(configuration: Node, connectors: object): (readonly [string, Signal])[] {
  const service = (configuration["service"] ?? {}) as Node;
  const pipelines = Object.entries((service["pipelines"] ?? {}) as Record<string, Pipeline>);
  const isConnector = (name: string) => name in connectors;
  return signals.flatMap((signal) => {
    const ours = pipelines.filter(([name]) => typeOf(name) === signal).map(([, one]) => one);
    const open = new Set(["otlp"]);
    const taken = new Set<Pipeline>();
    for (let before = -1; before < taken.size;) {
      before = taken.size;
      for (const one of ours) {
        const takes = (name: string) => open.has(isConnector(name) ? name : typeOf(name));
        if (!(one.receivers ?? []).some(takes)) continue;
        taken.add(one);
        for (const exporter of (one.exporters ?? []).filter(isConnector)) open.add(exporter);
      }
    }
    const ends = new Set([...taken].flatMap((one) => one.exporters ?? []));
    return [...ends].filter((name) => !isConnector(name)).map((name) => [name, signal] as const);
  });
}

function clickHouseSink(exporter: string, settings: Node): ClickHouseSink {
  const own = (name: string, otherwise: string) => plain(String(settings[name] ?? otherwise));
  const kinds = (settings["metrics_tables"] ?? {}) as Record<string, Node | undefined>;
  const gauge = kinds["gauge"]?.["name"] ?? `${own("metrics_table_name", "otel_metrics")}_gauge`;
  return {
    exporter,
    endpoint: own("endpoint", ""),
    database: own("database", "default"),
    tables: {
      traces: own("traces_table_name", "otel_traces"),
      metrics: plain(String(gauge)),
      logs: own("logs_table_name", "otel_logs"),
    },
  };
}

/** Datadog's exporter gives itself more time than the 5 s of all others. */
function timeoutOf(exporter: string, settings: Node): number {
  const own = settings["timeout"] ?? (typeOf(exporter) === "datadog" ? "15s" : "5s");
  const queue = (settings["sending_queue"] ?? {}) as Node;
  const batch = (queue["batch"] ?? {}) as Node;
  return durationMs(String(own)) + durationMs(String(batch["flush_timeout"] ?? "0s"));
}

/** "otlp/signoz" is an exporter of type otlp. */
function typeOf(component: string): string {
  return component.split("/")[0]!;
}

/** The collector reads `$$` as one `$`. */
function plain(text: string): string {
  return text.replaceAll("$$", "$");
}
