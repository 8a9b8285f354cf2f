import { durationMs } from "../common/durationMs.ts";
import { caddyBlock } from "./caddyBlock.ts";

/** What the proxy goes by when the server is replaced; the tool writes these files (deploy/gateScripts.ts). */
export const gate = {
  /** The server's name on the networks. */
  service: "server",
  /** Where it listens: x-app.port. One that a setting could change would need two at once. */
  port: 8283,
  folder: "/gate",
  /** Holds the host that requests go to; without it they go to the service itself. */
  open: "open",
  /** The same for requests that came while `holding` was there: they wait for their turn. */
  held: "held",
  holding: "holding",
  /** What ends a pause that has expired. */
  watch: "watch",
  /** Copies of `holding` and `watch` that outlive the container's restart: compose/proxy.yaml. */
  retained: "/config/holding",
  retainedWatch: "/config/watch",
  /** While it is there no idle connection is reused: compose/proxy.yaml makes it before a reload. */
  leaving: "leaving",
} as const;

/** PAUSE_TIMEOUT where it is unset. */
export const longestPause = "120s";

/** Where requests wait during a pause, in the proxy's own container. */
const waitingPort = 8082;

/** What a request that waits takes of the proxy's memory: TLS, a connection each (Caddy 2.11, measured). */
const waitingBytes = 160 * 1024;
/** The share of its memory that requests that wait may take; the others need some too. */
const waitingShare = 0.7;

/**
 * How many requests may wait at the proxy at the same time.
 * @param memory the proxy's limit, in bytes
 */
export function mostWaiting(memory: number): number {
  return Math.max(atOnce, Math.floor((memory * waitingShare) / waitingBytes));
}

/** Where a request goes by a file of `gate`. */
const at = (file: string) => `{file.${gate.folder}/${file}}:${gate.port}`;

/**
 * How requests reach the server: its answers are handed on as they come, however long they
 * take. During a pause they wait (pausedRequests), so many at most: one more is answered with 503 and
 * Retry-After, as each takes memory before anyone has asked for a password. What the files of `gate`
 * say is read anew for each request, so no reload is needed.
 */
export function proxyUpstream(waiting: number): string[] {
  const matches = (file: string) =>
    caddyBlock(`@${file} file`, [`root ${gate.folder}`, `try_files /${file}`]);
  return [
    ...matches(gate.holding),
    ...matches(gate.open),
    ...matches(gate.leaving),
    `header @${gate.leaving} Connection close`,
    // Nor is one that came by compose/relay.py, which is to end.
    "@relayed remote_ip 127.0.0.1 ::1",
    "header @relayed Connection close",
    ...upstream(`@${gate.holding} 127.0.0.1:${waitingPort}`, [
      // Counts all that are under way there: those that wait.
      `unhealthy_request_count ${waiting}`,
    ]),
    ...upstream(`@${gate.open} ${at(gate.open)}`, patience),
    ...upstream(`${gate.service}:${gate.port}`, patience),
    ...caddyBlock("handle_errors 503", ["header Retry-After 5", "respond 503"]),
  ];
}

/**
 * Where requests wait during a pause instead of failing: where they go is read anew before each
 * try, and a try that reaches no server is made again whatever its method, as nothing was
 * sent (Caddy 2.11, measured).
 * @param pauseTimeout how long a pause may take; empty for `longestPause`
 */
export function pausedRequests(pauseTimeout: string): string[] {
  return caddyBlock(`http://:${waitingPort}`, [
    "bind 127.0.0.1",
    ...upstream(at(gate.held), [
      // When the pause has ended there are all those before it, for as long again at most.
      `lb_try_duration ${2 * durationMs(pauseTimeout || longestPause)}ms`,
      // Each try of each request that waits is work, which the server's boot needs more.
      "lb_try_interval 1s",
      // Those who waited do not all fall upon a server that has just booted.
      `unhealthy_request_count ${atOnce}`,
      // The client is who the first of the two has seen.
      ...["For", "Host", "Proto"].map((one) => {
        const name = `X-Forwarded-${one}`;
        return `header_up ${name} {http.request.header.${name}}`;
      }),
    ]),
  ]);
}

/** Of the requests that were held, so many are answered at once. */
const atOnce = 32;
/** Without a pause a server that is down is reported soon; its engine restarts it by then or not. */
const patience = ["lb_try_duration 5s", "lb_try_interval 250ms"];

function upstream(to: string, more: readonly string[]): string[] {
  return caddyBlock(`reverse_proxy ${to}`, [
    "flush_interval -1",
    ...more,
    ...caddyBlock("transport http", [
      "read_timeout 30m", // between two pieces of an answer
      // Less than the 5 s after which the server closes an idle connection: a POST sent into one
      // that is just being closed would fail.
      "keepalive 3s",
    ]),
  ]);
}
