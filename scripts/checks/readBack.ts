import { setTimeout as sleep } from "node:timers/promises";
import type { Engine, ObservedContainer } from "../docker/engine.ts";
import type { ClickHouseSink, Signal } from "../stack/readDelivery.ts";
import { askClickHouse, type ClickHouseReader } from "./askClickHouse.ts";
import type { Context } from "./check.ts";
import type { Expectation } from "./expectation.ts";

/** A place where a signal ends and where one can look whether something has come. */
export interface Sink {
  readonly name: string;
  /** @throws Error where it cannot be asked */
  has(requested: Requested): Promise<boolean>;
}

interface Requested {
  /** A trace id, a metric's name, a record's body; or a value of one of a span's attributes. */
  readonly what: string;
  readonly by: "name" | "attribute";
  /** When it was made, in milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Of a file that grows to 100 MB only the end can hold what was sent just now. */
const tailBytes = 8 * 1024 * 1024;

/** The file that was full in the meantime lies next to its successor. */
const search = `cd "$1" || exit 2
for file in $("$0" ls -t | "$0" grep -E "^$2(-.*)?[.]$3$" | "$0" head -n 2); do
  "$0" tail -c ${tailBytes} "$file" | "$0" grep -q -F -e "$4" && exit 0
done
exit 1`;

/** A file the collector writes. */
export function fileSink(path: string, container: string, engine: Engine): Sink {
  const [, directory = "", name = "", ending = ""] = /^(.*)\/(.*)\.(\w+)$/.exec(path) ?? [];
  const busybox = "/probe/busybox";
  return {
    name: path,
    async has({ what }) {
      const argv = [busybox, "sh", "-c", search, busybox, directory, name, ending, what];
      const { code, stdout, stderr } = await engine.exec(container, argv);
      if (code === 0 || code === 1) return code === 0;
      const words = `${stdout}${stderr}`.trim() || `exit code ${code}`;
      throw new Error(`${path} cannot be read: ${words}`);
    },
  };
}

/** How a row of each signal is known by its name, and by when it was made. */
const conditions = {
  traces: { name: "TraceId = {what:String}", time: "Timestamp" },
  metrics: { name: "MetricName = {what:String}", time: "TimeUnix" },
  logs: { name: "Body = {what:String}", time: "Timestamp" },
} as const;

/** No such table or database: nothing has been written yet. */
const notYet = [60, 81];

/** A table the ClickHouse exporter writes. */
export function tableSink(sink: ClickHouseSink, signal: Signal, reader: ClickHouseReader): Sink {
  const table = sink.tables[signal];
  return {
    name: `${table} in ClickHouse`,
    async has({ what, by, sinceMs }) {
      const { name, time } = conditions[signal];
      const condition = by === "name" ? name : "has(mapValues(SpanAttributes), {what:String})";
      const query = `SELECT count() FROM \`${table}\` WHERE ${time} >= fromUnixTimestamp64Milli({since:Int64}) AND ${condition}`;
      const parameters = { what, since: String(sinceMs) };
      const { text, fault } = await askClickHouse(reader, sink.database, query, parameters);
      if (fault === 0) return Number(text) > 0;
      if (notYet.includes(fault)) return false;
      throw new Error(`ClickHouse answered ${text.split("\n")[0]!.slice(0, 300)}`);
    },
  };
}

const pollMs = 150;

/**
 * Waits until something can be read in every one of the sinks.
 * @param limitMs after which slow counts as lost
 * @returns what was seen, for people
 * @throws Error with each sink it did not come to, or that could not be asked
 */
export async function readBack(
  sinks: readonly Sink[],
  requested: Requested,
  limitMs: number,
  now: () => number,
): Promise<string> {
  const started = now();
  const looks = await Promise.allSettled(
    sinks.map(async (sink) => {
      while (!(await sink.has(requested))) {
        if (now() - started >= limitMs) {
          const limit = Number((limitMs / 1000).toFixed(1));
          throw new Error(
            `expected ${requested.what} in ${sink.name} within ${limit} s, it did not come`,
          );
        }
        await sleep(pollMs);
      }
      return `read back from ${sink.name} after ${((now() - started) / 1000).toFixed(1)} s`;
    }),
  );
  const faults = looks.flatMap((one) =>
    one.status === "rejected" ? [(one.reason as Error).message] : [],
  );
  if (faults.length > 0) throw new Error(faults.join("; "));
  return looks.map((one) => (one.status === "fulfilled" ? one.value : "")).join(", ");
}

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
