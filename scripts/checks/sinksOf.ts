import type { Signal } from "../stack/readDelivery.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Context } from "./check.ts";
import type { Expectation } from "./expectation.ts";
import { fileSink, tableSink, type Sink } from "./readBack.ts";

/**
 * Where a signal ends and can be looked for: a collector's own file, a table in ClickHouse.
 * @param container the collector's, for its files
 * @throws Error where there is a file and no container to read it in
 */
export function sinksOf(
  expected: Expectation,
  signal: Signal,
  container: ObservedContainer | undefined,
  context: Pick<Context, "engine">,
): Sink[] {
  const { delivery, clickHouse } = expected;
  const file = delivery.files[signal];
  if (file !== undefined && container === undefined) {
    throw new Error("expected a collector to read from, got none");
  }
  const writes = delivery.routes.some(
    (one) => one.exporter === delivery.clickHouse?.exporter && one.signal === signal,
  );
  return [
    ...(file === undefined ? [] : [fileSink(file, container!.id, context.engine)]),
    ...(writes && clickHouse
      ? [tableSink(delivery.clickHouse!, signal, { ...clickHouse, connect: undefined })]
      : []),
  ];
}

/** Why nothing can be read back: what takes this signal cannot be asked. */
export function unreadable({ delivery }: Expectation, signal: Signal): string {
  const ends = delivery.routes.filter((one) => one.signal === signal).map((one) => one.exporter);
  return `no sink of this profile can be read (${ends.join(", ")})`;
}
