import { askRows } from "../database/askRows.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { Problem } from "../common/problem.ts";
import type { ObservedContainer } from "../engine/engine.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Release } from "../ledger/release.ts";
import { accessLogFile } from "../stack/proxyLog.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { FailureKind } from "../verification/failureKind.ts";
import { request } from "../verification/request.ts";
import { judgeServer, readAccessLog, type ServerNow } from "./judgeServer.ts";

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
 * into an overload makes that worse. A rollback is told of it and goes on, as a server that fails is
 * why one rolls back. One that does not run is not asked.
 * @param mayGoOn whether nobody is to be asked
 * @returns how it fails, for what fails afterwards to be compared with
 * @throws Problem CONFIRMATION_NEEDED, DECLINED
 */
export async function askFailingServer(
  asking: Asking,
  mayGoOn: boolean,
  tools: Tools,
): Promise<readonly FailureKind[]> {
  const now = await observeServer(asking, tools);
  if (now === undefined) return [];
  const { state, lines, failures } = judgeServer(now);
  if (state === "failing" && !mayGoOn) {
    const question = "The server fails already, before anything is touched. Go on?";
    await tools.say.confirm(question, lines, "--despite-failures");
  } else for (const line of lines) tools.say.note(`before: ${line}`);
  return failures;
}

/** How the server does; undefined where none runs, or one still boots. Reads only. */
export async function observeServer(asking: Asking, tools: Tools): Promise<ServerNow | undefined> {
  const { stack, observed, database } = asking;
  const server = observed.find(
    (one) => one.service === stack.server.service && one.state === "running",
  );
  if (server === undefined || server.health === "starting") return undefined;
  const proxy = observed.find((one) => one.service === "proxy" && one.state === "running");
  const [connections, requests, ...own] = await Promise.all([
    connectionsOf(database),
    proxy && requestsOf(proxy.id, servesSince(asking.present), tools),
    ...Array.from({ length: reads }, () => read(server.id, asking, tools)),
  ]);
  return { connections, requests, reads: own };
}

/** Asked inside its container: what it publishes may be another port from now on. */
async function read(container: string, { settings, stack: { server } }: Asking, tools: Tools) {
  const isSecure = settings.get("SECURE") === "true";
  const password = isSecure ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined;
  const started = tools.now();
  const seconds = () => (tools.now() - started) / 1000;
  try {
    const { status } = await request(`http://127.0.0.1:${server.port}${server.readPath}`, {
      connection: await tools.engine.connect(container, server.port),
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

async function requestsOf(proxy: string, sinceMs: number, tools: Tools) {
  const argv = ["/probe/busybox", "tail", "-n", String(logLines), accessLogFile];
  const { code, stdout } = await tools.engine.exec(proxy, argv);
  return code === 0 ? readAccessLog(stdout, tools.now(), sinceMs) : undefined;
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
