import { request } from "../checks/request.ts";
import { failureKind, type FailureKind } from "../common/failureKind.ts";
import { Problem } from "../common/problem.ts";
import { askRows } from "../database/askRows.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { accessLogFile } from "../stack/proxyConfiguration.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { figuresText, type RequestFigures } from "./requestFigures.ts";

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

/** What is asked of a server before it is touched. */
interface Asking {
  readonly settings: Settings;
  readonly stack: Stack;
  readonly observed: readonly ObservedContainer[];
  readonly database: DatabaseServer;
  /** The release that serves. */
  readonly present: Release | undefined;
}

const reads = 3;
const readMs = 5000;
const logLines = 2000;

/**
 * Looks how the server does before anything is touched, and asks where it fails already: a deploy
 * into an overload makes that worse. A rollback reports it and goes on, as a server that fails is
 * why one rolls back. One that does not run is not asked.
 * @param mayGoOn whether to go on without a question
 * @returns how it fails, for what fails afterwards to be compared with
 * @throws Problem CONFIRMATION_NEEDED, DECLINED
 */
export async function askFailingServer(
  asking: Asking,
  mayGoOn: boolean,
  context: Context,
): Promise<readonly FailureKind[]> {
  const now = await observeServer(asking, context);
  if (now === undefined) return [];
  const { state, lines, failures } = checkServer(now);
  if (state === "failing" && !mayGoOn) {
    const question = "The server is already failing. Continue?";
    await context.reporter.confirm(question, lines, "--despite-failures");
  } else for (const line of lines) context.reporter.note(`before: ${line}`);
  return failures;
}

/** How the server does; undefined where none runs, or one still boots. Reads only. */
export async function observeServer(
  asking: Asking,
  context: Context,
): Promise<ServerNow | undefined> {
  const { stack, observed, database } = asking;
  const server = observed.find(
    (one) => one.service === stack.server.service && one.state === "running",
  );
  if (server === undefined || server.health === "starting") return undefined;
  const proxy = observed.find((one) => one.service === "proxy" && one.state === "running");
  const [connections, requests, ...own] = await Promise.all([
    connectionsOf(database),
    proxy && requestsOf(proxy.id, servesSince(asking.present), context),
    ...Array.from({ length: reads }, () => read(server.id, asking, context)),
  ]);
  return { connections, requests, reads: own };
}

/** Asked inside its container: what it publishes may be another port from now on. */
async function read(container: string, { settings, stack: { server } }: Asking, context: Context) {
  const isSecure = settings.get("SECURE") === "true";
  const password = isSecure ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined;
  const started = context.now();
  const seconds = () => (context.now() - started) / 1000;
  try {
    const { status } = await request(`http://127.0.0.1:${server.port}${server.readPath}`, {
      connection: await context.engine.connect(container, server.port),
      timeoutMs: readMs,
      headers: {
        connection: "close",
        "user-agent": "letta-stack-check",
        ...(password ? { authorization: `Bearer ${password}` } : {}),
      },
    });
    // A refused password is an answer: it may be about to change.
    const failure =
      status >= 500 ? `expected 200 from ${server.readPath}, got ${status}` : undefined;
    return { seconds: seconds(), failure };
  } catch (error) {
    return { seconds: seconds(), failure: (error as Error).message };
  }
}

/** Since when, in ms since 1970: after a rollback the log still has the answers of what failed. */
function servesSince(present: Release | undefined): number {
  return present === undefined ? 0 : Date.parse(present.created) + (present.seconds ?? 0) * 1000;
}

async function requestsOf(proxy: string, sinceMs: number, context: Context) {
  const argv = ["/probe/busybox", "tail", "-n", String(logLines), accessLogFile];
  const { code, stdout } = await context.engine.exec(proxy, argv);
  return code === 0 ? readAccessLog(stdout, context.now(), sinceMs) : undefined;
}

/** Those that an ordinary role may have, used by whichever database of the server. */
async function connectionsOf(database: DatabaseServer): Promise<ServerNow["connections"]> {
  const query = `SELECT
    (SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL) AS used,
    current_setting('max_connections')::int
      - current_setting('superuser_reserved_connections')::int
      - coalesce(current_setting('reserved_connections', true)::int, 0) AS most`;
  try {
    const [row] = await askRows<{ used: number; most: number }>(
      database.database(),
      query,
      "how many connections it has left",
    );
    return row;
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}
