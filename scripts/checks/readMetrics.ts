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
