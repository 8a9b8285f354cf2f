import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { durationMs } from "../common/units.ts";
import type { Settings } from "../settings/readSettings.ts";
import { gate, longestPause, upstreamsUrl } from "../stack/proxyConfiguration.ts";
import type { Context } from "../state/context.ts";

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
    // The engine's DNS knows each container by the first twelve digits of its id.
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

/** Nothing listens at the server's port there, in the proxy's own container. */
const nowhere = "127.0.0.1";

/** A request has reached its server this long after the proxy took it in, in seconds. */
const settledSeconds = 0.3;

/**
 * What the scripts share. `holding` is there during a pause and contains its token; only the begin
 * of a pause writes it, only its end removes it. `until-<token>` contains the second since 1970
 * at which it expires. `ended` contains the token of the last pause that ended and is written before
 * `holding` goes, so that a renewal at that moment notices. The copy at `retained` outlives a restart of
 * the container; a full disk costs the copy, never the pause.
 */
const common = `bb=/probe/busybox
cd ${gate.folder}
now() { $bb date +%s; }
write() { echo "$2" > "$1.$$" && $bb mv "$1.$$" "$1"; }
text() { $bb cat "$1" 2> /dev/null || true; }
is_on() { [ "$(text ${gate.holding})" = "$1" ] && [ "$(text ended)" != "$1" ]; }
is_due() { [ "$(now)" -ge "$(text "until-$1" | $bb grep . || echo 0)" ]; }
extend() {
  until=$(($(now) + $2))
  write "until-$1" $until
  { echo "$1 $until" > ${gate.retained}.$$ && $bb mv ${gate.retained}.$$ ${gate.retained}; } 2> /dev/null || true
}
route() { write ${gate.held} "$1"; write ${gate.open} "$1"; }
end_pause() {
  token=$(text ${gate.holding})
  [ -z "$token" ] || write ended "$token"
  $bb rm -f ${gate.retained} 2> /dev/null || true
  route "$1"
  $bb rm -f ${gate.holding} until-*
}`;

/**
 * Ends the pause that it finds at its start when that has expired, and itself with that pause,
 * whatever ends it. The expiry is read anew each time, so a renewal counts, and a newer pause is
 * never ended by the watch of an older one.
 */
const watch = `${common}
mine=$(text ${gate.holding})
while [ -n "$mine" ] && [ "$(text ${gate.holding})" = "$mine" ]; do
  if is_due "$mine"; then
    write ended "$mine"
    if is_due "$mine"; then # no renewal has come in between
      [ "$(text ${gate.holding})" != "$mine" ] || end_pause ${gate.service}
      break
    fi
    $bb rm -f ended
  fi
  $bb sleep 0.5
done`;

/** Sends requests to a host from now on, and ends any pause. */
export function resumeScript(host: string): string {
  return `# resume ${host}
${common}
end_pause ${host}
$bb sleep ${settledSeconds} # requests on their way to the previous host have reached it`;
}

/**
 * Lets new requests wait; those under way go on. Prints the token of the pause that this one
 * follows without a gap, if there is one. From its first moment on waiting requests reach no server: Caddy
 * counts by the upstream's name, so one that still did would count as waiting and could write after the snapshot.
 * @param token hexadecimal, of this pause alone
 * @param seconds after which it ends unless it is renewed
 */
export function pauseScript(token: string, seconds: number): string {
  return `# pause ${token} ${seconds}
${common}
$bb cat > ${gate.watch} << 'END'
${watch}
END
$bb cp ${gate.watch} ${gate.retainedWatch} 2> /dev/null || true
before=$(text ${gate.holding})
write ${gate.held} ${nowhere} # first: a request that waits reaches no server at any moment
extend ${token} ${seconds}
write ${gate.holding} ${token}
[ "$(text ended)" = "$before" ] || echo "$before"
$bb sh ${gate.watch} < /dev/null > /dev/null 2>&1 &
$bb sleep ${settledSeconds} # requests that came before it have reached the server`;
}

/**
 * Puts a pause's end off. Prints "paused", or "ended" where it has ended, were it for a moment.
 */
export function renewScript(token: string, seconds: number): string {
  return `# renew ${token} ${seconds}
${common}
if ! is_on ${token} || is_due ${token}; then echo ended; exit; fi
extend ${token} ${seconds}
if is_on ${token}; then echo paused; exit; fi
# It ended meanwhile: a restart must not find what this renewal has just written.
[ "$(text ${gate.retained})" != "${token} $until" ] || $bb rm -f ${gate.retained}
$bb rm -f until-${token}
echo ended`;
}
