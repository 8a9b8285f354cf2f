import { failureKind, type FailureKind } from "../common/failureKind.ts";
import { figuresText, type RequestFigures } from "./compareRequests.ts";

/** How the server does before anything is touched. */
export interface ServerNow {
  /** Reads of our own, which only the database can answer. */
  readonly reads: readonly { readonly seconds: number; readonly failure: string | undefined }[];
  /** Real requests of the last minute; undefined where nothing tells. */
  readonly requests: RequestFigures | undefined;
  /** Of the database; undefined where it does not tell. */
  readonly connections: { readonly used: number; readonly most: number } | undefined;
}

export interface Condition {
  readonly state: "fine" | "slow" | "failing";
  /** For people; none where it is fine. */
  readonly lines: readonly string[];
  /** How it fails: what fails so afterwards is not the new release's doing. */
  readonly failures: readonly FailureKind[];
}

/** Below it a share says nothing. */
const fewRequests = 20;
const failingShare = 0.2;
const slowSeconds = 2;
/** A server that boots needs some, and so does this tool. */
const fewConnections = 3;

/** Whether a server that is about to be replaced is well, slow, or failing already. Pure. */
export function checkServer({ reads, requests, connections }: ServerNow): Condition {
  const failed = reads.flatMap((one) => one.failure ?? []);
  const left = connections && Math.max(0, connections.most - connections.used);
  const share = requests && requests.requests > 0 ? requests.errors / requests.requests : 0;
  const fails = [
    ...(failed.length * 2 > reads.length
      ? [`${failed.length} of ${reads.length} reads failed: ${failed[0]}`]
      : []),
    ...(requests && requests.requests >= fewRequests && share >= failingShare
      ? [`in the last minute ${figuresText(requests)}`]
      : []),
    ...(left !== undefined && left < fewConnections
      ? [`the database has ${left} of ${connections!.most} connections left`]
      : []),
  ];
  const kinds = failed.flatMap((one) => failureKind(one) ?? []);
  const failures = [...new Set<FailureKind>(share >= failingShare ? [...kinds, "5xx"] : kinds)];
  if (fails.length > 0) return { state: "failing", lines: fails, failures };
  const slowest = Math.max(0, ...reads.map((one) => one.seconds));
  const slow = [
    ...(failed.length > 0
      ? [`${failed.length} of ${reads.length} reads failed: ${failed[0]}`]
      : []),
    ...(slowest > slowSeconds ? [`a read took ${slowest.toFixed(1)} s`] : []),
  ];
  return { state: slow.length > 0 ? "slow" : "fine", lines: slow, failures };
}

/** What was measured, for people: "slowest of 3 reads 0.02 s; no requests; …". Pure. */
export function describeServer({ reads, requests, connections }: ServerNow): string {
  const slowest = Math.max(0, ...reads.map((one) => one.seconds));
  return [
    `slowest of ${reads.length} reads ${slowest.toFixed(2)} s`,
    ...(requests === undefined ? [] : [`in the last minute ${figuresText(requests)}`]),
    ...(connections === undefined
      ? []
      : [`${connections.used} of ${connections.most} database connections used`]),
  ].join("; ");
}

/**
 * The figures of an access log's newest lines, as Caddy 2.11 writes them in JSON. Requests of this
 * tool and health checks are left out. Pure.
 * @param nowMs milliseconds since 1970
 * @param sinceMs since when the present server serves: what others answered before is not its doing
 */
export function readAccessLog(log: string, nowMs: number, sinceMs = 0): RequestFigures | undefined {
  const fromMs = Math.max(nowMs - 60_000, sinceMs);
  const lines = log.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as Partial<AccessLine>];
    } catch {
      return []; // the first one may be interrupted
    }
  });
  const seen = lines.filter(
    ({ ts = "", request, user_agent: agent = "" }) =>
      Date.parse(ts) >= fromMs &&
      !agent.startsWith("letta-stack-") &&
      !request?.uri?.startsWith("/v1/health"),
  );
  if (seen.length === 0) return undefined;
  const durations = seen.map((one) => (one.duration ?? 0) * 1000).sort((a, b) => a - b);
  return {
    fromMs,
    toMs: nowMs,
    requests: seen.length,
    errors: seen.filter((one) => (one.status ?? 0) >= 500).length,
    p95Ms: durations[Math.min(durations.length - 1, Math.floor(0.95 * durations.length))]!,
  };
}

interface AccessLine {
  readonly ts: string;
  readonly status: number;
  /** In seconds. */
  readonly duration: number;
  readonly user_agent: string;
  readonly request: { readonly uri?: string };
}
