import type { Engine, ObservedContainer } from "../docker/engine.ts";
import type { Signal } from "../stack/readDelivery.ts";
import { type Asked, type Reply, request } from "./request.ts";

/** A collector as it is reached from here. */
export interface CollectorClient {
  readonly service: string;
  readonly container: ObservedContainer | undefined;
  /** One of its ports as people find it. */
  address(port: number): string;
  /** Asks one of its ports, by the number it has in its container. */
  ask(port: number, path: string, input?: Asked): Promise<Reply>;
}

/**
 * Reaches a collector: the loopback ports it publishes; where it publishes none, as one
 * of several behind a name, a connection into its container.
 * @param published ports of this machine by the port in the container
 */
export function collectorClient(
  service: string,
  published: ReadonlyMap<number, number>,
  container: ObservedContainer | undefined,
  engine: Engine,
): CollectorClient {
  return {
    service,
    container,
    address: (port) =>
      published.has(port) ? `127.0.0.1:${published.get(port)}` : `${service}:${port}`,
    async ask(port, path, input = {}) {
      const open = published.get(port);
      if (open !== undefined) return request(`http://127.0.0.1:${open}${path}`, input);
      if (container === undefined) throw new Error(`expected a container of ${service}, got none`);
      return request(`http://127.0.0.1:${port}${path}`, {
        ...input,
        headers: { connection: "close", ...input.headers },
        connection: await engine.connect(container.id, port),
      });
    },
  };
}

/**
 * A collector's container, and its own word for it. Its health only says that its pipelines
 * have begun.
 * @returns what was seen
 * @throws Error where either is not as it should be
 */
export async function collectorHealthy(client: CollectorClient): Promise<string> {
  const health = client.container?.health;
  if (health !== "healthy")
    throw new Error(`expected a healthy container, got ${health ?? "none"}`);
  return healthEndpoint(client);
}

/**
 * What the collector answers at its health endpoint.
 * @throws Error where that is not 200
 */
export async function healthEndpoint(client: CollectorClient): Promise<string> {
  const where = client.address(13133);
  const reply = await client.ask(13133, "/");
  if (reply.status !== 200) throw new Error(`expected 200 on ${where}, got ${reply.status}`);
  return `200 on ${where}`;
}

/** What a collector says of itself at one moment. A series that is absent has counted nothing. */
export interface CollectorMetrics {
  /** Spans, points or records that an exporter has got rid of, and how many it could not. */
  exported(exporter: string, signal: Signal): Exported;
  /** What receivers and the memory limiter turned away of a signal. */
  refused(signal: Signal): number;
  readonly uptimeSeconds: number | undefined;
  readonly residentBytes: number | undefined;
  readonly batches: Batches;
}

interface Exported {
  readonly sent: number;
  readonly failed: number;
  readonly notQueued: number;
  /** Batches that wait. Before 0.105 one figure stands for all signals of an exporter. */
  readonly queued: number;
}

interface Batches {
  readonly sent: number;
  readonly items: number;
  readonly byTimeout: number;
  readonly bySize: number;
}

const units = { traces: "spans", metrics: "metric_points", logs: "log_records" } as const;

/**
 * The same questions put to any version: names come with and without the endings for a unit
 * and for a counter (0.119), and 0.130.0 doubles the unit; the memory limiter's moved (0.155).
 */
export function collectorMetrics(samples: readonly Sample[]): CollectorMetrics {
  const families = new Map<string, Sample[]>();
  for (const sample of samples) {
    const family = familyOf(sample.name);
    families.set(family, [...(families.get(family) ?? []), sample]);
  }
  const values = (family: string, labels: Readonly<Record<string, string>> = {}) =>
    (families.get(family) ?? [])
      .filter((one) => Object.entries(labels).every(([key, value]) => agrees(one, key, value)))
      .map((one) => one.value);
  const sum = (family: string, labels?: Readonly<Record<string, string>>) =>
    values(family, labels).reduce((total, value) => total + value, 0);
  return {
    exported(exporter, signal) {
      const unit = units[signal];
      return {
        sent: sum(`exporter_sent_${unit}`, { exporter }),
        failed: sum(`exporter_send_failed_${unit}`, { exporter }),
        notQueued: sum(`exporter_enqueue_failed_${unit}`, { exporter }),
        queued: sum("exporter_queue_size", { exporter, data_type: signal }),
      };
    },
    refused(signal) {
      const unit = units[signal];
      const families = [
        `receiver_refused_${unit}`,
        `receiver_failed_${unit}`,
        `processor_refused_${unit}`,
        `processor_dropped_${unit}`,
        `processor_memory_limiter_refused_${unit}`,
      ];
      return families.reduce((total, family) => total + sum(family), 0);
    },
    uptimeSeconds: values("process_uptime")[0],
    residentBytes: values("process_memory_rss")[0],
    batches: {
      sent: sum("processor_batch_batch_send_size_count"),
      items: sum("processor_batch_batch_send_size_sum"),
      byTimeout: sum("processor_batch_timeout_trigger_send"),
      bySize: sum("processor_batch_batch_size_trigger_send"),
    },
  };
}

/** A label that a version does not have yet cannot tell series apart. */
function agrees({ labels }: Sample, key: string, value: string): boolean {
  return labels[key] === value || (labels[key] === undefined && key === "data_type");
}

function familyOf(name: string): string {
  return name
    .replace(/^otelcol_/, "")
    .replace(/_total$/, "")
    .replace(/_(?:bytes|seconds)$/, "")
    .replace(/__[a-z_]+$/, "");
}

/** One line of a Prometheus text: a series and its value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const line = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/;
const label = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?\s*/g;
const escaped: Readonly<Record<string, string>> = { n: "\n", '"': '"', "\\": "\\" };

/**
 * Takes Prometheus' text format apart (prometheus.io, "Exposition formats"). Comments and
 * lines that are no sample are passed over.
 */
export function readMetrics(text: string): Sample[] {
  return text.split("\n").flatMap((one) => {
    const [, name, inner = "", value = ""] = one.startsWith("#")
      ? []
      : (line.exec(one.trim()) ?? []);
    if (name === undefined) return [];
    const labels = [...inner.matchAll(label)].map(
      ([, key, raw]) =>
        [key!, raw!.replace(/\\(.)/g, (_, it: string) => escaped[it] ?? it)] as const,
    );
    return [{ name, labels: Object.fromEntries(labels), value: numberOf(value) }];
  });
}

/** Prometheus writes infinity as +Inf. */
function numberOf(value: string): number {
  return Number(value.replace(/Inf$/, "Infinity"));
}
