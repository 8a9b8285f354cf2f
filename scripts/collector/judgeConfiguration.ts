type Section = Record<string, unknown>;

interface Pipeline {
  readonly receivers?: readonly string[];
  readonly processors?: readonly string[];
  readonly exporters?: readonly string[];
}

/**
 * Our own judgement of a collector configuration, before the binary's: each pipeline names
 * components that exist, the memory limiter comes first, nothing is defined for nobody, every
 * signal has a pipeline with an exporter, and no `${env:…}` is left, which 0.96 parses as YAML
 * and expands a second time.
 * @returns one line for each fault
 */
export function judgeConfiguration(configuration: Section): string[] {
  const faults: string[] = [];
  const section = (name: string) => Object.keys((configuration[name] as Section | undefined) ?? {});
  const service = (configuration["service"] ?? {}) as Section;
  const pipelines = (service["pipelines"] ?? {}) as Record<string, Pipeline>;
  const connectors = section("connectors");
  const used = new Set<string>();

  const expectDefined = (names: readonly string[], among: readonly string[], where: string) => {
    for (const name of names) {
      used.add(name);
      if (!among.includes(name)) faults.push(`${where}: expected a defined component, got ${name}`);
    }
  };
  for (const [name, pipeline] of Object.entries(pipelines)) {
    const where = `service.pipelines.${name}`;
    const processors = pipeline.processors ?? [];
    expectDefined(pipeline.receivers ?? [], [...section("receivers"), ...connectors], where);
    expectDefined(processors, section("processors"), where);
    expectDefined(pipeline.exporters ?? [], [...section("exporters"), ...connectors], where);
    if ((pipeline.receivers ?? []).length === 0) faults.push(`${where}: expected a receiver`);
    if ((pipeline.exporters ?? []).length === 0) faults.push(`${where}: expected an exporter`);
    const limiter = processors.findIndex((one) => one.startsWith("memory_limiter"));
    if (limiter > 0) faults.push(`${where}: expected memory_limiter first, got ${processors[0]}`);
    if (limiter < 0 && (pipeline.receivers ?? []).some((one) => !connectors.includes(one))) {
      faults.push(`${where}: expected memory_limiter first, got none`);
    }
  }
  const ends = Object.values(pipelines);
  for (const name of connectors) {
    if (!ends.some((one) => one.receivers?.includes(name)))
      faults.push(`connectors.${name}: expected a pipeline that receives from it`);
    if (!ends.some((one) => one.exporters?.includes(name)))
      faults.push(`connectors.${name}: expected a pipeline that exports to it`);
  }
  for (const signal of ["traces", "metrics", "logs"]) {
    if (!(signal in pipelines)) faults.push(`service.pipelines: expected ${signal}`);
  }
  expectDefined(
    (service["extensions"] ?? []) as string[],
    section("extensions"),
    "service.extensions",
  );
  for (const kind of ["receivers", "processors", "exporters", "connectors", "extensions"]) {
    for (const name of section(kind)) {
      if (!used.has(name)) faults.push(`${kind}.${name}: expected to be used, nothing names it`);
    }
  }
  if (JSON.stringify(configuration).includes("${env:")) {
    faults.push("expected ${NAME}, got ${env:NAME}: 0.96 parses its value as YAML");
  }
  return faults;
}
