type Section = Record<string, unknown>;
type Report = (path: string, fault: string) => void;

const hostPort = /^[^/\s]*[^/\s:]:\d{1,5}$/;
const web = /^https?:\/\/[^\s/]+/;

/** What an endpoint must look like, by the kind and the type of its component. */
const expected: readonly [of: RegExp, is: RegExp, what: string][] = [
  [/^extensions\.(?:pprof|zpages)/, /^(?:localhost|127\.0\.0\.1):\d+$/, "a loopback address"],
  [/^extensions\./, hostPort, "host:port"],
  [/^receivers\./, hostPort, "host:port"],
  [/^exporters\.(?:clickhouse|datadog|otlphttp)/, web, "http:// or https://"],
  [/^exporters\.otlp/, /^(?:https?:\/\/)?[^/\s]+:\d{1,5}$/, "a host with its port"],
];

/**
 * Looks at what leads out of the collector and into it: every endpoint is one, and what leaves the
 * machine waits on disk and is tried for ever.
 */
export function checkEndpoints(configuration: Section, report: Report): void {
  for (const kind of ["extensions", "receivers", "exporters"]) {
    const components = (configuration[kind] ?? {}) as Record<string, Section | null>;
    for (const [name, component] of Object.entries(components)) {
      const path = `${kind}.${name}`;
      checkWithin(component ?? {}, path, report);
      if (kind === "exporters" && !/^(?:file|debug)\b/.test(name)) {
        checkQueue(component ?? {}, path, report);
      }
    }
  }
}

function checkWithin(section: Section, path: string, report: Report): void {
  for (const [key, value] of Object.entries(section)) {
    const own = `${path}.${key}`;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      checkWithin(value as Section, own, report);
    } else if (key === "endpoint") {
      const rule = expected.find(([of]) => of.test(own));
      if (rule !== undefined && !rule[1].test(String(value))) {
        report(own, `expected ${rule[2]}, got ${String(value)}`);
      }
    }
  }
}

function checkQueue(exporter: Section, path: string, report: Report): void {
  const queue = (exporter["sending_queue"] ?? {}) as Section;
  const retry = (exporter["retry_on_failure"] ?? {}) as Section;
  if (queue["storage"] === undefined) {
    report(path, "expected sending_queue.storage: what waits would be lost with the process");
  }
  if (retry["max_elapsed_time"] !== "0s") {
    report(path, "expected retry_on_failure.max_elapsed_time 0s: it deletes what it tried so long");
  }
}
