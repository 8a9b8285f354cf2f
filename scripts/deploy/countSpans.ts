import type { Delivery } from "../stack/readDelivery.ts";
import type { TwinConfiguration } from "../stack/twinConfiguration.ts";
import type { Engine } from "../docker/engine.ts";
import { twinSinkFile } from "../stack/twinStack.ts";
import { askClickHouse } from "../checks/askClickHouse.ts";

export interface Counted {
  readonly all: number;
  /** Without those that came more than once. */
  readonly distinct: number;
}

export interface Counting {
  readonly configuration: TwinConfiguration;
  readonly delivery: Delivery;
  readonly password: string;
  /** The trace that all spans are of. */
  readonly trace: string;
}

/**
 * How many spans a twin's sink has.
 * @param sink its container
 * @throws Error where it does not tell
 */
export async function countSpans(
  sink: string,
  { configuration, delivery, password, trace }: Counting,
  engine: Engine,
): Promise<Counted> {
  if (configuration.kind === "otlp") return countInFile(sink, engine);
  const { user, database } = configuration;
  const connect = () => engine.connect(sink, 8123);
  const reader = {
    url: "http://127.0.0.1:8123",
    user,
    password,
    caCertificate: undefined,
    connect,
  };
  const table = delivery.clickHouse!.tables.traces;
  const query = `SELECT count(), uniqExact(SpanId) FROM \`${table}\` WHERE TraceId = {trace:String}`;
  const { text, fault } = await askClickHouse(reader, database, query, { trace });
  if (fault !== 0) throw new Error(`the twin's sink answered ${text.slice(0, 300)}`);
  const [all = 0, distinct = 0] = text.split("\t").map(Number);
  return { all, distinct };
}

async function countInFile(sink: string, engine: Engine): Promise<Counted> {
  const script = `"$0" grep -o '"spanId":"[0-9a-f]*"' "$1" | "$0" sort | "$0" uniq -c`;
  const busybox = "/probe/busybox";
  const argv = [busybox, "sh", "-c", script, busybox, twinSinkFile];
  const { stdout } = await engine.exec(sink, argv);
  const counts = stdout.split("\n").flatMap((line) => /^\s*(\d+) /.exec(line)?.[1] ?? []);
  return { all: counts.reduce((sum, one) => sum + Number(one), 0), distinct: counts.length };
}
