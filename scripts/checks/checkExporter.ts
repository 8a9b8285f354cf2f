import type { Signal } from "../stack/readDelivery.ts";
import type { CollectorMetrics } from "./collectorMetrics.ts";
import { failed, passed, skipped, type CheckResult } from "./runCheck.ts";
import type { ExporterTrouble } from "./explainExporter.ts";

/** What an exporter did since its collector started. */
export interface ExporterSeen {
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
