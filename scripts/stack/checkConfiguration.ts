type Section = Record<string, unknown>;

interface Pipeline {
  readonly receivers?: readonly string[];
  readonly processors?: readonly string[];
  readonly exporters?: readonly string[];
}

/** What must come before what, by the beginning of a processor's name. */
const order = [
  "memory_limiter",
  "resource",
  "filter",
  "transform/time",
  "transform/privacy",
  "transform/canary",
  "probabilistic_sampler",
  "batch",
];

/**
 * Our own judgement of a collector configuration, before the binary's: each pipeline names
 * components that exist, in their order, the memory limiter first and the batches last; nothing is
 * defined without use; every signal has a pipeline with an exporter; what leaves the machine is
 * queued on disk and tried for ever; endpoints are ones; and the collector expands nothing but
 * `${NAME}`.
 * @param places where each key stands, by its path, for the beginning of the line
 * @returns one line for each fault
 */
export function checkConfiguration(
  configuration: Section,
  places: ReadonlyMap<string, string> = new Map(),
): string[] {
  const faults: string[] = [];
  const report = (path: string, fault: string, at = path) => {
    const place = places.get(at) ?? places.get(path);
    faults.push(`${place === undefined ? "" : `${place}: `}${path}: ${fault}`);
  };
  const section = (name: string) => Object.keys((configuration[name] as Section | undefined) ?? {});
  const service = (configuration["service"] ?? {}) as Section;
  const pipelines = (service["pipelines"] ?? {}) as Record<string, Pipeline>;
  const connectors = section("connectors");
  const used = new Set<string>();

  const assertDefined = (
    names: readonly string[],
    among: readonly string[],
    path: string,
    list = "",
  ) => {
    for (const name of names) {
      used.add(name);
      if (among.includes(name)) continue;
      report(path, `expected a defined component, got ${name}`, `${path}${list}[${name}]`);
    }
  };
  for (const [name, pipeline] of Object.entries(pipelines)) {
    const path = `service.pipelines.${name}`;
    const { receivers = [], processors = [], exporters = [] } = pipeline;
    assertDefined(receivers, [...section("receivers"), ...connectors], path, ".receivers");
    assertDefined(processors, section("processors"), path, ".processors");
    assertDefined(exporters, [...section("exporters"), ...connectors], path, ".exporters");
    if (receivers.length === 0) report(path, "expected a receiver");
    if (exporters.length === 0) report(path, "expected an exporter");
    const at = `${path}.processors`;
    if (!processors[0]?.startsWith("memory_limiter")) {
      report(path, `expected memory_limiter first, got ${processors[0] ?? "none"}`, at);
    }
    const onlyCounts = exporters.every((one) => connectors.includes(one));
    if (!onlyCounts && !processors.at(-1)?.startsWith("batch")) {
      report(path, `expected batch last, got ${processors.at(-1) ?? "none"}`, at);
    }
    for (const [later, earlier] of unordered(processors)) {
      report(path, `expected ${later} before ${earlier}`, at);
    }
  }
  const ends = Object.values(pipelines);
  for (const name of connectors) {
    const path = `connectors.${name}`;
    if (!ends.some((one) => one.receivers?.includes(name)))
      report(path, "expected a pipeline that receives from it");
    if (!ends.some((one) => one.exporters?.includes(name)))
      report(path, "expected a pipeline that exports to it");
  }
  for (const signal of ["traces", "metrics", "logs"]) {
    if (!(signal in pipelines)) report("service.pipelines", `expected ${signal}`);
  }
  const extensions = (service["extensions"] ?? []) as string[];
  assertDefined(extensions, section("extensions"), "service.extensions");
  for (const kind of ["receivers", "processors", "exporters", "connectors", "extensions"]) {
    for (const name of section(kind)) {
      if (!used.has(name)) report(`${kind}.${name}`, "expected to be used, nothing names it");
    }
  }
  for (const { path, text } of listTexts(configuration)) {
    if (path.endsWith(".storage") && !extensions.includes(text)) {
      report(path, `expected one of service.extensions, got ${text}`);
    }
    const [odd] = text.replaceAll(/\$\$|\$\{[A-Z][A-Z0-9_]*\}/g, "").match(/\$\S*/) ?? [];
    if (odd !== undefined) {
      const why = "the collector would expand it, 0.96 what comes of ${env:…} a second time";
      report(path, `expected \${NAME} or $$, got ${odd}: ${why}`);
    }
  }
  checkEndpoints(configuration, report);
  return faults;
}

/** Processors that stand behind one that belongs behind them; the limiter has its own rule. */
function unordered(processors: readonly string[]): [later: string, earlier: string][] {
  const ranked = processors
    .filter((one) => !one.startsWith("memory_limiter"))
    .map((one) => [one, order.findIndex((start) => one.startsWith(start))] as const)
    .filter(([, rank]) => rank >= 0);
  return ranked.flatMap(([later, rank], index) => {
    const before = ranked[index - 1];
    return before !== undefined && rank < before[1] ? [[later, before[0]]] : [];
  });
}

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
function checkEndpoints(configuration: Section, report: Report): void {
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

/** Every text of a configuration with its path; an item of a list as "path[item]". */
export function listTexts(
  value: unknown,
  path = "",
): { readonly path: string; readonly text: string }[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (Array.isArray(value)) {
    return value.flatMap((item) =>
      listTexts(item, `${path}[${typeof item === "string" ? item : ""}]`),
    );
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    listTexts(inner, path === "" ? key : `${path}.${key}`),
  );
}
