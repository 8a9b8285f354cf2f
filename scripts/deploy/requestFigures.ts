import type { Delivery } from "../stack/readDelivery.ts";
import type { Engine } from "../docker/engine.ts";
import { readSpanFile, type FileSpan } from "../checks/readSpanFile.ts";
import { askClickHouse } from "../checks/askClickHouse.ts";
import type { Expectation } from "../checks/expectation.ts";
import type { RequestFigures } from "./compareRequests.ts";

/** A stretch of time, in milliseconds since 1970. */
export type Stretch = Pick<RequestFigures, "fromMs" | "toMs">;

/** Where a stack's requests can be counted. */
export type RequestSource = Pick<
  Expectation,
  "project" | "collectors" | "delivery" | "clickHouse" | "server"
>;

/** What can be asked: ClickHouse before files, which hold no more than the newest spans. */
export function requestSource({ clickHouse, files }: Delivery): string | undefined {
  return clickHouse === undefined ? files.traces : `${clickHouse.tables.traces} in ClickHouse`;
}

/**
 * How many requests a stack's server answered in each stretch of time, how many of them failed,
 * and how long they took: from the spans that its sink has. Health checks and the tool's own
 * requests are left out. A request counts where it began and ended.
 * @param deviceId tells this stack's spans from others' in the same database
 * @throws Error where the sink cannot be asked
 */
export async function requestFigures(
  stretches: readonly Stretch[],
  source: RequestSource,
  deviceId: string,
  engine: Engine,
): Promise<RequestFigures[]> {
  const { delivery, clickHouse, collectors, project } = source;
  const probes = probePattern(source.server.versionPath);
  if (delivery.clickHouse !== undefined && clickHouse !== undefined) {
    const reader = { ...clickHouse, connect: undefined };
    const { database, tables } = delivery.clickHouse;
    return Promise.all(
      stretches.map(async (one) => {
        const { text, fault } = await askClickHouse(reader, database, query(tables.traces), {
          from: String(one.fromMs),
          to: String(one.toMs),
          device: deviceId,
          probes,
        });
        if (fault !== 0)
          throw new Error(`ClickHouse answered ${text.split("\n")[0]!.slice(0, 300)}`);
        const [requests = 0, errors = 0, p95 = 0] = text.split("\t").map(Number);
        return { ...one, requests, errors, p95Ms: requests === 0 ? null : p95 };
      }),
    );
  }
  const containers = await engine.containers(project);
  const names = collectors.map((one) => one.service);
  const files = await Promise.all(
    containers
      .filter((one) => names.includes(one.service))
      .map((one) => readSpanFile(one.id, engine)),
  );
  return stretches.map((one) => figuresOf(files.flat(), one, new RegExp(probes)));
}

/** The names under which a user agent stands on a span: Letta's own, and the conventions'. */
const agents = ["client", "user_agent.original", "http.user_agent"];
const statuses = ["http.status_code", "http.response.status_code"];
const ownServices = ["letta-stack", "letta-stack-canary"];
const ownAgent = "letta-stack-";

/** Health probes come whether anybody asks for something or not. */
function probePattern(path: string): string {
  return `^(GET|HEAD) ${path.replace(/\/+$/, "").replaceAll(/[.*+?^$()|[\]{}\\]/g, "\\$&")}/?$`;
}

const attribute = (name: string) => `SpanAttributes['${name}']`;

const query = (table: string) => `
  SELECT count(), countIf(failed), quantileExact(0.95)(toFloat64(Duration)) / 1e6
  FROM (
    SELECT Duration, StatusCode IN ('STATUS_CODE_ERROR', 'Error')
      OR ${statuses.map((one) => `toUInt16OrZero(${attribute(one)}) >= 500`).join(" OR ")} AS failed
    FROM \`${table}\`
    WHERE Timestamp >= fromUnixTimestamp64Milli({from:Int64})
      AND addNanoseconds(Timestamp, toInt64(Duration)) <= fromUnixTimestamp64Milli({to:Int64})
      AND ResourceAttributes['device.id'] = {device:String}
      AND ParentSpanId = '' AND SpanKind IN ('SPAN_KIND_SERVER', 'Server')
      AND ServiceName NOT IN (${ownServices.map((one) => `'${one}'`).join(", ")})
      AND NOT match(SpanName, {probes:String})
      AND NOT (${agents.map((one) => `startsWith(${attribute(one)}, '${ownAgent}')`).join(" OR ")})
  )`;

function figuresOf(spans: readonly FileSpan[], stretch: Stretch, probes: RegExp): RequestFigures {
  const counted = spans.filter(
    (one) =>
      one.startMs >= stretch.fromMs &&
      one.startMs + one.milliseconds <= stretch.toMs &&
      one.parent === "" &&
      one.kind === 2 &&
      !ownServices.includes(one.service) &&
      !probes.test(one.name) &&
      !agents.some((name) => one.attributes.get(name)?.startsWith(ownAgent)),
  );
  const errors = counted.filter(
    ({ isError, attributes }) =>
      isError || statuses.some((name) => Number(attributes.get(name) ?? 0) >= 500),
  );
  const durations = counted.map((one) => one.milliseconds).sort((a, b) => a - b);
  const p95Ms = durations[Math.min(durations.length - 1, Math.floor(0.95 * durations.length))];
  return { ...stretch, requests: counted.length, errors: errors.length, p95Ms: p95Ms ?? null };
}
