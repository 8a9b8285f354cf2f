import { failed, passed, type CheckResult } from "./runCheck.ts";
import type { Sample } from "./readMetrics.ts";
import type { QueueFill } from "./checkExporterQueue.ts";

/** What decides how late telemetry arrives. */
export interface Pace {
  /** How long spans wait at the server, and for a batch, in milliseconds. */
  readonly serverMs: number;
  readonly batchMs: number;
  /** Of its container's CPUs, over the time between two looks; undefined where unknown. */
  readonly cpuShare: number | undefined;
  readonly residentBytes: number | undefined;
  /** 0 where there is none. */
  readonly memoryLimit: number;
  /** Items that the memory limiter sent back since the start. */
  readonly refused: number;
  readonly queues: readonly QueueFill[];
}

const busyShare = 0.9;
const memoryShare = 0.8;
/** Longer than this, people take the wait for a loss. */
const patienceMs = 60_000;

/** Why telemetry comes late, if it does: what is set, and what the collector has to do. */
export function checkLatency(pace: Pace, environment: string): CheckResult {
  const { serverMs, batchMs, cpuShare, residentBytes, memoryLimit, refused, queues } = pace;
  const seconds = (ms: number) => `${Number((ms / 1000).toFixed(1))} s`;
  const explain = (name: string) => `npm run settings -- ${environment} --explain ${name}`;
  const usual = serverMs + batchMs;
  const set = `up to ${seconds(usual)} as set: ${seconds(serverMs)} at the server, ${seconds(batchMs)} for a batch`;
  if (usual > patienceMs) return failed(set, explain("OTEL_BATCH_TIMEOUT"));
  const memory =
    residentBytes === undefined ? undefined : residentBytes / (memoryLimit || Infinity);
  if (refused > 0) {
    const detail = `${refused} items were sent back since it started, as its memory was short`;
    return failed(detail, explain("COLLECTOR_MEMORY"));
  }
  if (memory !== undefined && memory > memoryShare) {
    return failed(`${percent(memory)} of its memory are in use`, explain("COLLECTOR_MEMORY"));
  }
  if (cpuShare !== undefined && cpuShare > busyShare) {
    return failed(`${percent(cpuShare)} of its CPUs are in use`, explain("COLLECTOR_REPLICAS"));
  }
  const waits = queues.filter((one) => one.size > 1);
  if (waits.length > 0) {
    const each = waits.map((one) => `${one.exporter} ${one.size}`).join(", ");
    return failed(`batches wait for their sink: ${each}`, `npm run verify -- ${environment}`);
  }
  const load = [
    ...(cpuShare === undefined ? [] : [`${percent(cpuShare)} of its CPUs`]),
    ...(memory === undefined || memoryLimit === 0 ? [] : [`${percent(memory)} of its memory`]),
  ];
  return passed([set, ...load].join("; "));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

const is = (name: string) => new RegExp(`^(?:otelcol_)?${name}(?:_total)?$`);

/** Seconds of CPU that a collector has used, by its own metrics. */
export function cpuSeconds(samples: readonly Sample[]): number | undefined {
  return samples.find((one) => is("process_cpu_seconds").test(one.name))?.value;
}

/** How full each exporter's queue is, by the collector's own metrics. */
export function queueFills(samples: readonly Sample[]): QueueFill[] {
  const of = (name: string) => samples.filter((one) => is(name).test(one.name));
  return of("exporter_queue_size").map(({ labels, value }) => {
    const { exporter = "", data_type: signal } = labels;
    const capacity = of("exporter_queue_capacity").find(
      (one) => one.labels["exporter"] === exporter && one.labels["data_type"] === signal,
    );
    const name = signal === undefined ? exporter : `${exporter} ${signal}`;
    return { exporter: name, size: value, capacity: capacity?.value ?? 0 };
  });
}
