import { askClickHouse } from "../checks/askClickHouse.ts";
import type { Expectation } from "../checks/expectation.ts";
import { type FileSpan, readSpanFile } from "../checks/gatherTraces.ts";
import type { Engine } from "../docker/engine.ts";
import type { Delivery } from "../stack/readDelivery.ts";

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

/** Requests that began and ended within a stretch of time, as their spans tell of them. */
export interface RequestFigures {
  /** Milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly requests: number;
  readonly errors: number;
  /** Of 100 requests 95 took no longer, in milliseconds; null where there were none. */
  readonly p95Ms: number | null;
}

/** From where on a release counts as worse than the one before it. */
export interface Margins {
  /** Both of them need as many requests to be compared. */
  readonly requests: number;
  /** How many percentage points more may fail. */
  readonly points: number;
  /** How many times as long the p95 may be. */
  readonly factor: number;
}

interface BakeFacts {
  /** The release before, over as long a time; a text says why nothing could be read. */
  readonly previous: RequestFigures | string;
  /** The new release. */
  readonly present: RequestFigures | string;
  /** What became of a request of our own at the end: its span comes after those of all others. */
  readonly marker: { readonly outcome: "passed" | "failed" | "skipped"; readonly detail: string };
}

/** A worse one is rolled back; one that could not be compared is reported and stays. */
export interface BakeVerdict {
  readonly verdict: "worse" | "fine" | "unjudged";
  readonly why: string;
}

/** Below it no one notices, and a p95 of few milliseconds doubles by chance. */
const leastSlowerMs = 50;

/**
 * Whether a release does worse than the one before it. Too few requests say nothing; a sink that
 * cannot be asked is not the release's fault. A span that does not come from a server which
 * answered is: its telemetry came when it was verified, and does not any more.
 */
export function compareRequests(
  { previous, present, marker }: BakeFacts,
  margins: Margins,
): BakeVerdict {
  for (const one of [present, previous]) {
    if (typeof one === "string") return { verdict: "unjudged", why: one };
  }
  if (marker.outcome === "failed") {
    return { verdict: "worse", why: `no data: ${marker.detail}` };
  }
  const [now, before] = [present as RequestFigures, previous as RequestFigures];
  if (Math.min(now.requests, before.requests) < margins.requests) {
    const why = `${now.requests} requests, before ${before.requests}: expected ${margins.requests} or more of both to compare them`;
    return { verdict: "unjudged", why };
  }
  const points = 100 * (shareOf(now) - shareOf(before));
  const [p95, past] = [now.p95Ms ?? 0, before.p95Ms ?? 0];
  const isSlower = p95 > margins.factor * past && p95 - past > leastSlowerMs;
  const found = [
    ...(points > margins.points ? [`more than ${margins.points} points more requests fail`] : []),
    ...(isSlower ? [`its p95 is more than ${margins.factor} times as long`] : []),
  ];
  const figures = `${figuresText(now)}; before ${figuresText(before)}`;
  return found.length === 0
    ? { verdict: "fine", why: figures }
    : { verdict: "worse", why: `${found.join(" and ")}: ${figures}` };
}

/** "3 of 60 requests failed (5.0 %), p95 120 ms". */
export function figuresText(figures: RequestFigures): string {
  const { requests, errors, p95Ms } = figures;
  if (requests === 0) return "no requests";
  const share = (100 * shareOf(figures)).toFixed(1);
  return `${errors} of ${requests} requests failed (${share} %), p95 ${Math.round(p95Ms ?? 0)} ms`;
}

function shareOf({ requests, errors }: RequestFigures): number {
  return requests === 0 ? 0 : errors / requests;
}
