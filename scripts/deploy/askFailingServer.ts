import { askRows } from "../database/askRows.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Release } from "../state/release.ts";
import { accessLogFile } from "../stack/proxyLog.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { FailureKind } from "../common/failureKind.ts";
import { request } from "../checks/request.ts";
import { checkServer, readAccessLog, type ServerNow } from "./checkServer.ts";

/** What is asked of a server before it is touched. */
export interface Asking {
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
    const question = "The server fails already, before anything is touched. Go on?";
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
