import type { Engine, Inspected } from "../docker/engine.ts";
import type { Signal } from "../stack/readDelivery.ts";
import { type CheckResult, failed, passed, skipped } from "./check.ts";
import type { CollectorMetrics, Sample } from "./collectorClient.ts";
import { explainExporter, type ExporterTrouble } from "./explainExporter.ts";

/** A collector's container and what it says. */
interface CollectorSeen {
  readonly inspected: Pick<Inspected, "state" | "health" | "exitCode" | "restarts" | "name">;
  /** What its `--version` says; undefined where it could not be asked. */
  readonly version: string | undefined;
  /** The last it wrote, without secrets. */
  readonly log: readonly string[];
}

/** What an exit code means, beyond the collector's own words. */
const exits: Readonly<Record<number, string>> = {
  0: "it was stopped",
  137: "killed: its memory ran out, or it did not stop in time",
  143: "it was stopped",
};

/**
 * Whether a collector runs, as the version that is set.
 * @param next the commands to go on with
 */
export function checkCollectorContainer(
  { inspected, version, log }: CollectorSeen,
  requested: string,
  next: { readonly bringUp: string; readonly logs: string },
): CheckResult {
  const { state, health, restarts, exitCode } = inspected;
  if (state !== "running" || health === "unhealthy") {
    const ended = exitCode === undefined ? "" : ` with ${exitCode}`;
    const means = exits[exitCode ?? -1] ?? lastWords(log);
    const how = state === "running" ? health : `${state}${ended}`;
    const nextCommand = exitCode === 0 || exitCode === 143 ? next.bringUp : next.logs;
    return failed(`${how}${means === undefined ? "" : `: ${means}`}`, nextCommand);
  }
  // Between two ends it runs for a moment.
  if (restarts > 0 && log.findLastIndex(isEnd) > log.findLastIndex(isReady)) {
    return failed(
      `started again ${restarts} times by the engine, and ends: ${lastWords(log)}`,
      next.logs,
    );
  }
  if (version !== undefined && version !== requested) {
    return failed(`${version} runs, OTEL_VERSION is ${requested}`, next.bringUp);
  }
  const again = restarts === 0 ? "" : `, started again ${restarts} times by the engine`;
  const checked = health === "none" ? "" : `, ${health}`;
  return passed(`${version ?? requested}${checked}${again}`);
}

const isEnd = (line: string) => /^(?:Error:|panic:|20.* Error:)/.test(line);
const isReady = (line: string) => line.includes("Everything is ready");

/** Why it ended, by the last that it wrote about it. */
function lastWords(log: readonly string[]): string | undefined {
  const trouble = explainExporter(log).at(-1);
  const start = log.findLast(isEnd);
  if (start?.includes("cannot start pipelines") && trouble !== undefined) {
    const { exporter, cause, meaning, said } = trouble;
    return `${exporter} ${cause}: ${meaning} (${said.slice(0, 200)})`.trimStart();
  }
  return start?.slice(0, 300);
}

/** What an exporter did since its collector started. */
interface ExporterSeen {
  readonly exporter: string;
  readonly signals: readonly Signal[];
  readonly metrics: CollectorMetrics;
  /** From the collector's log, those of this exporter. */
  readonly troubles: readonly ExporterTrouble[];
  readonly nowMs: number;
}

/** Retries are at most 30 s apart, and an attempt takes up to 15 s: what is older is over. */
const presentMs = 120_000;

/**
 * Whether an exporter gets rid of what it is given: by the collector's figures, and why not in its
 * own words. Its log says nothing while all is well, so old words are history.
 */
export function checkExporter(seen: ExporterSeen, next: string): CheckResult {
  const { exporter, signals, metrics, troubles, nowMs } = seen;
  const each = signals.map((signal) => metrics.exported(exporter, signal));
  const sum = (of: (one: (typeof each)[number]) => number) =>
    each.reduce((total, one) => total + of(one), 0);
  const [sent, failedItems, notQueued] = [
    sum((one) => one.sent),
    sum((one) => one.failed),
    sum((one) => one.notQueued),
  ];
  // One figure may stand for all signals (before 0.105).
  const queued = Math.max(0, ...each.map((one) => one.queued));
  const upSinceMs = nowMs - (metrics.uptimeSeconds ?? 0) * 1000;
  const own = troubles.filter((one) => isWithin(one, upSinceMs));
  const presents = own.filter((one) => isWithin(one, nowMs - presentMs));
  // 0.96 counts nothing for a queue whose disk is full: it only says so.
  const present = presents.findLast((one) => one.losesData) ?? presents.at(-1);
  const counts = [
    `${sent} items sent`,
    ...(queued > 0 ? [`${queued} batches wait`] : []),
    ...(failedItems > 0 ? [`${failedItems} could not be sent`] : []),
    ...(notQueued > 0 ? [`${notQueued} found the queue full`] : []),
  ].join(", ");
  if (present !== undefined) {
    const lost = present.losesData ? "; it drops data for it" : "";
    return failed(`${reported(present)}${lost}; ${counts}`, next);
  }
  const dropped = own.findLast((one) => one.losesData);
  if (failedItems + notQueued > 0 || dropped !== undefined) {
    const why = dropped ?? own.at(-1);
    const cause = why === undefined ? "" : `; last trouble at ${why.at}: ${reported(why)}`;
    return failed(`data was lost since the collector started: ${counts}${cause}`, next);
  }
  if (sent === 0 && queued === 0) {
    return skipped("nothing has come to it since the collector started", next);
  }
  const last = own.at(-1);
  return passed(
    last === undefined ? counts : `${counts}; over since ${last.at}: ${reported(last)}`,
  );
}

function reported({ cause, meaning, said }: ExporterTrouble): string {
  return `${cause}: ${meaning} (${said.slice(0, 200)})`;
}

/** A time that cannot be read says nothing: then the words count as of now. */
function isWithin({ at }: ExporterTrouble, sinceMs: number): boolean {
  const seconds = Number(at);
  const atMs = Number.isFinite(seconds) && at !== "" ? seconds * 1000 : Date.parse(at);
  return Number.isNaN(atMs) || atMs >= sinceMs;
}

/** A file in the queue's directory. */
interface QueueFile {
  readonly name: string;
  readonly bytes: number;
  /** Whether its beginning is that of a queue file. */
  readonly whole: boolean;
}

/** Where the collector keeps what waits, as its user sees it. */
interface QueueFolder {
  readonly there: boolean;
  readonly writable: boolean;
  readonly mode: string;
  readonly owner: string;
  readonly freeKb: number;
  readonly usedPercent: number;
  readonly files: readonly QueueFile[];
}

/** As otel/queue.yaml says. */
const folder = "/var/lib/otelcol/queue";

/** bbolt's magic number stands at byte 16 of a file's first page (its db.go). */
const look = `bb="$0"; [ -d ${folder} ] || { echo none; exit 0; }
if [ -w ${folder} ] && [ -x ${folder} ]; then may=1; else may=0; fi
echo "folder $("$bb" stat -c "%a %u:%g" ${folder}) $may"
echo "disk $("$bb" df -k ${folder} | "$bb" tail -n 1)"
cd ${folder} 2>/dev/null || exit 0
for file in *; do
  [ -f "$file" ] || continue
  magic="$("$bb" dd if="$file" bs=1 skip=16 count=4 2>/dev/null | "$bb" od -An -tx4)"
  echo "file $file $("$bb" stat -c %s "$file") $magic"
done`;

/** Looks at the queue from inside the collector's container, as its user. */
export async function readQueueFolder(container: string, engine: Engine): Promise<QueueFolder> {
  const busybox = "/probe/busybox";
  const { stdout, stderr } = await engine.exec(container, [busybox, "sh", "-c", look, busybox]);
  if (!/^(?:none|folder )/.test(stdout)) {
    throw new Error(`cannot be looked at: ${`${stdout}${stderr}`.trim().slice(0, 200)}`);
  }
  return parseQueueFolder(stdout);
}

/** @param text what `look` wrote */
export function parseQueueFolder(text: string): QueueFolder {
  const [, mode = "", owner = "", may] = /^folder (\d+) (\S+) ([01])$/m.exec(text) ?? [];
  const [, free, used] = /^disk .* (\d+)\s+(\d+)%/m.exec(text) ?? [];
  const files = [...text.matchAll(/^file (\S+) (\d+) *(\S*)$/gm)].map(
    ([, name = "", bytes, magic]) => ({
      name,
      bytes: Number(bytes),
      whole: magic === "ed0cdaed",
    }),
  );
  return {
    there: !text.startsWith("none"),
    writable: may === "1",
    mode,
    owner,
    freeKb: Number(free ?? Number.NaN),
    usedPercent: Number(used ?? Number.NaN),
    files,
  };
}

/** One file for each component, named after it; "_" is a compaction's, gone after it. */
const ours = /^(?:exporter|receiver|processor|connector|extension)_[^.]*$/;
const leastFreeKb = 512 * 1024;

/** How full an exporter's queue is, in batches. */
interface QueueFill {
  readonly exporter: string;
  readonly size: number;
  readonly capacity: number;
}

/** Above it an alert would come: what is lost when it is full. */
const fullShare = 0.6;

/** Whether the queue can take what waits, and still has all that it took. */
export function checkExporterQueue(
  seen: QueueFolder,
  fills: readonly QueueFill[],
  next: { readonly bringUp: string; readonly verify: string },
): CheckResult {
  const user = "the collector (user 10001)";
  if (!seen.there) return failed(`${folder} is not there: nothing can be stored`, next.bringUp);
  if (!seen.writable) {
    const rights = `${folder} has mode ${seen.mode} and owner ${seen.owner}`;
    return failed(`${rights}: ${user} cannot write to it`, next.bringUp);
  }
  const damaged = seen.files.filter((one) => ours.test(one.name) && !one.whole);
  if (damaged.length > 0) {
    const names = damaged.map((one) => one.name).join(", ");
    return failed(`${names}: damaged, the collector may not start again with it`, next.bringUp);
  }
  const quarantined = seen.files.filter(
    (one) => !ours.test(one.name) && /^(?:exporter|receiver)_/.test(one.name),
  );
  if (quarantined.length > 0) {
    const names = quarantined.map((one) => `${one.name} (${one.bytes} bytes)`).join(", ");
    return failed(`moved aside as damaged, what waited in it is lost: ${names}`, next.verify);
  }
  if (seen.freeKb === 0) {
    return failed("its disk is full: new data does not fit and is lost", "docker system df");
  }
  if (seen.freeKb < leastFreeKb) {
    const free = `${Math.round(seen.freeKb / 1024)} MB free (${seen.usedPercent} % used)`;
    return failed(`${free}: the queue will soon not fit`, "docker system df");
  }
  const full = fills.filter((one) => one.capacity > 0 && one.size / one.capacity > fullShare);
  const reported = ({ exporter, size, capacity }: QueueFill) =>
    `${exporter} ${size} of ${capacity}`;
  if (full.length > 0) {
    return failed(
      `nearly full: ${full.map(reported).join(", ")} batches; its sink takes less than comes`,
      next.verify,
    );
  }
  const bytes = seen.files.reduce((sum, one) => sum + one.bytes, 0);
  const waits = fills.filter((one) => one.size > 0).map(reported);
  const size = `${seen.files.length} files, ${Math.round(bytes / 1024)} KB`;
  return passed(
    `${size}, ${waits.length === 0 ? "nothing waits" : `${waits.join(", ")} batches wait`}`,
  );
}

/** What decides how late telemetry arrives. */
export interface Pace {
  /** How long spans wait at the server, and for a batch, in milliseconds. */
  readonly serverMs: number;
  readonly batchMs: number;
  /** Of its container's CPUs, over the time between two looks; undefined where unknown. */
  readonly cpuShare: number | undefined;
  readonly residentBytes: number | undefined;
  /** 0 where there is none. */
  readonly memoryLimit: number;
  /** Items that the memory limiter sent back since the start. */
  readonly refused: number;
  readonly queues: readonly QueueFill[];
}

const busyShare = 0.9;
const memoryShare = 0.8;
/** Longer than this, people take the wait for a loss. */
const patienceMs = 60_000;

/** Why telemetry comes late, if it does: what is set, and what the collector has to do. */
export function checkLatency(pace: Pace, environment: string): CheckResult {
  const { serverMs, batchMs, cpuShare, residentBytes, memoryLimit, refused, queues } = pace;
  const seconds = (ms: number) => `${Number((ms / 1000).toFixed(1))} s`;
  const explain = (name: string) => `npm run settings -- ${environment} --explain ${name}`;
  const usual = serverMs + batchMs;
  const set = `up to ${seconds(usual)} as set: ${seconds(serverMs)} at the server, ${seconds(batchMs)} for a batch`;
  if (usual > patienceMs) return failed(set, explain("OTEL_BATCH_TIMEOUT"));
  const memory =
    residentBytes === undefined ? undefined : residentBytes / (memoryLimit || Infinity);
  if (refused > 0) {
    const detail = `${refused} items were sent back since it started, as its memory was short`;
    return failed(detail, explain("COLLECTOR_MEMORY"));
  }
  if (memory !== undefined && memory > memoryShare) {
    return failed(`${percent(memory)} of its memory are in use`, explain("COLLECTOR_MEMORY"));
  }
  if (cpuShare !== undefined && cpuShare > busyShare) {
    return failed(`${percent(cpuShare)} of its CPUs are in use`, explain("COLLECTOR_REPLICAS"));
  }
  const waits = queues.filter((one) => one.size > 1);
  if (waits.length > 0) {
    const each = waits.map((one) => `${one.exporter} ${one.size}`).join(", ");
    return failed(`batches wait for their sink: ${each}`, `npm run verify -- ${environment}`);
  }
  const load = [
    ...(cpuShare === undefined ? [] : [`${percent(cpuShare)} of its CPUs`]),
    ...(memory === undefined || memoryLimit === 0 ? [] : [`${percent(memory)} of its memory`]),
  ];
  return passed([set, ...load].join("; "));
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

const is = (name: string) => new RegExp(`^(?:otelcol_)?${name}(?:_total)?$`);

/** Seconds of CPU that a collector has used, by its own metrics. */
export function cpuSeconds(samples: readonly Sample[]): number | undefined {
  return samples.find((one) => is("process_cpu_seconds").test(one.name))?.value;
}

/** How full each exporter's queue is, by the collector's own metrics. 0.96.0 shows one of its three queues. */
export function queueFills(samples: readonly Sample[]): QueueFill[] {
  const of = (name: string) => samples.filter((one) => is(name).test(one.name));
  return of("exporter_queue_size").map(({ labels, value }) => {
    const { exporter = "", data_type: signal } = labels;
    const capacity = of("exporter_queue_capacity").find(
      (one) => one.labels["exporter"] === exporter && one.labels["data_type"] === signal,
    );
    const name = signal === undefined ? exporter : `${exporter} ${signal}`;
    return { exporter: name, size: value, capacity: capacity?.value ?? 0 };
  });
}
