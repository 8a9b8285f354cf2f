import type { Signal } from "../stack/readDelivery.ts";
import type { Sample } from "./readMetrics.ts";

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

export interface Exported {
  readonly sent: number;
  readonly failed: number;
  readonly notQueued: number;
  /** Batches that wait. Before 0.105 one figure stands for all signals of an exporter. */
  readonly queued: number;
}

export interface Batches {
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
