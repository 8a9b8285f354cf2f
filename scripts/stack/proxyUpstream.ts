import { durationMs } from "../common/durationMs.ts";
import { caddyBlock } from "./caddyBlock.ts";

/** What the proxy goes by when the server is replaced; the tool writes these files (cutover/gateScripts.ts). */
export const gate = {
  /** The server's name on the networks. */
  service: "server",
  /** Where it listens: x-server.port. One that a setting could change would need two at once. */
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
  kept: "/config/holding",
  keptWatch: "/config/watch",
  /** While it is there no connection is kept: compose/proxy.yaml makes it before a reload. */
  leaving: "leaving",
} as const;

/** HOLD_MAX where it is unset. */
export const longestHold = "120s";

/**
 * How requests reach the server: its answers are handed on as they come, however long they
 * take. While it is replaced they wait here instead of failing: what the files of `gate` say
 * is read anew before each try, so no reload is needed, and a try that reaches nobody is made
 * again whatever its method, as nothing was sent (Caddy 2.11, measured).
 * @param holdMax how long a hold may take; empty for `longestHold`
 */
export function proxyUpstream(holdMax: string): string[] {
  const at = (file: string) => `{file.${gate.folder}/${file}}:${gate.port}`;
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
    ...upstream(`@${gate.holding} ${at(gate.held)}`, [
      // When the hold has ended there are all those before it, for as long again at most.
      `lb_try_duration ${2 * durationMs(holdMax || longestHold)}ms`,
      // Each try of each request that waits is work, which the server's boot needs more.
      "lb_try_interval 1s",
      // Those who waited do not all fall upon a server that has just booted.
      `unhealthy_request_count ${atOnce}`,
    ]),
    ...upstream(`@${gate.open} ${at(gate.open)}`, patience),
    ...upstream(`${gate.service}:${gate.port}`, patience),
  ];
}

/** Of the requests that were held, so many are answered at once. */
const atOnce = 32;
/** Without a hold a server that is away is told soon; its engine starts it again by then or not. */
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
