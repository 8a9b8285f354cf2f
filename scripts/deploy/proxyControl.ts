import { setTimeout as sleep } from "node:timers/promises";
import { durationMs } from "../common/durationMs.ts";
import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import { upstreamsUrl } from "../stack/proxyConfiguration.ts";
import { gate, longestPause } from "../stack/proxyUpstream.ts";
import type { Context } from "../state/context.ts";
import { pauseScript, renewScript, resumeScript } from "./gateScripts.ts";

/** A pause of requests at the proxy. */
export interface Pause {
  /** Tells it from any other pause, of killed runs too. */
  readonly token: string;
  /** The token of the pause that it followed without a gap. */
  readonly replaced: string | undefined;
  /**
   * Seconds left of the time it may take, asked at the proxy; 0 where it has ended, were it for
   * a moment.
   */
  remaining(): Promise<number>;
}

/** What the proxy does with requests while the server is replaced. */
export interface ProxyControl {
  /** Requests go to this one of the server's containers from now on; a pause ends. */
  sendTo(container: string): Promise<void>;
  /** Requests go to the server, as long as there is one of it; a pause ends. */
  open(): Promise<void>;
  /**
   * New requests wait; those under way go on. The pause is renewed while the process lives, and
   * ends soon after it otherwise: requests then fail instead of waiting in vain.
   * @param seconds how long it may take; PAUSE_TIMEOUT's where it is left out
   */
  pause(seconds?: number): Promise<Pause>;
  /**
   * How many requests the server has not answered yet, streams among them, but for those that
   * an earlier pause has released; undefined where the proxy does not say.
   */
  underWay(): Promise<number | undefined>;
}

/** A pause outlives the tool by so much: enough for a busy machine to be late with a renewal. */
const leaseSeconds = 20;
const renewMs = 5000;

/** How long requests may wait, in seconds. */
export function pauseSeconds(settings: Settings): number {
  return durationMs(settings.get("PAUSE_TIMEOUT") || longestPause) / 1000;
}

/**
 * Controls the requests at the proxy of a stack.
 * @returns undefined where no proxy runs
 */
export async function findProxyControl(
  settings: Settings,
  context: Pick<Context, "engine" | "now" | "randomBytes">,
): Promise<ProxyControl | undefined> {
  const containers = await context.engine.containers(settings.project);
  const proxy = containers.find((one) => one.service === "proxy" && one.state === "running");
  if (proxy === undefined) return undefined;
  const run = async (script: string) => {
    const done = await context.engine.exec(proxy.id, ["/probe/busybox", "sh", "-ec", script]);
    if (done.code === 0) return done.stdout.trim();
    throw new Problem("STEP_FAILED", "the proxy's upstream could not be changed", {
      details: [done.stderr.trim() || `exit ${done.code}`],
    });
  };
  const renew = async (token: string, seconds: number) =>
    (await run(renewScript(token, Math.min(leaseSeconds, Math.ceil(seconds))))) === "paused";
  return {
    // The engine's own name for a container on its networks.
    sendTo: async (container) => void (await run(resumeScript(container.slice(0, 12)))),
    open: async () => void (await run(resumeScript(gate.service))),
    async pause(seconds = pauseSeconds(settings)) {
      const token = context.randomBytes(8).toString("hex");
      const until = context.now() + seconds * 1000;
      const lease = Math.min(leaseSeconds, Math.ceil(seconds));
      const before = await run(pauseScript(token, lease));
      const left = () => (until - context.now()) / 1000;
      void renewed(async () => left() > 0 && (await renew(token, left()).catch(() => true)));
      return {
        token,
        replaced: before === "" ? undefined : before,
        // A proxy that does not answer, or has gone, may let requests pass.
        remaining: async () =>
          left() > 0 && (await renew(token, left()).catch(() => false)) ? left() : 0,
      };
    },
    async underWay() {
      const ask = ["/probe/busybox", "wget", "-q", "-Y", "off", "-T", "5", "-O", "-", upstreamsUrl];
      const { code, stdout } = await context.engine.exec(proxy.id, ask);
      return code === 0 ? requestsUnderWay(stdout) : undefined;
    },
  };
}

/** Renews a pause until it has ended. It keeps no process alive. */
async function renewed(renew: () => Promise<boolean>): Promise<void> {
  do await sleep(renewMs, undefined, { ref: false });
  while (await renew());
}

/**
 * Counts the requests that have reached the server and are not answered: those that are held reach
 * none. Pure.
 * @param upstreams Caddy's own words on them, `[{ address, num_requests, fails }]` with addresses as
 *   in the Caddyfile (Caddy 2.11, /reverse_proxy/upstreams)
 */
export function requestsUnderWay(upstreams: string): number {
  const all = JSON.parse(upstreams) as { address: string; num_requests: number }[];
  const isServer = (address: string) =>
    address.startsWith(`${gate.service}:`) || address.includes(`${gate.folder}/${gate.open}}`);
  return all.filter((one) => isServer(one.address)).reduce((sum, one) => sum + one.num_requests, 0);
}
