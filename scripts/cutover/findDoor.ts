import { durationMs } from "../common/durationMs.ts";
import { Problem } from "../common/problem.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { upstreamsUrl } from "../stack/proxyConfiguration.ts";
import { gate, longestHold } from "../stack/proxyUpstream.ts";
import { requestsUnderWay } from "./requestsUnderWay.ts";

/** What the proxy does with requests while the server is replaced. */
export interface Door {
  /** Requests go to this one of the server's containers from now on. */
  sendTo(container: string): Promise<void>;
  /** Requests go to the server, as long as there is one of it. */
  open(): Promise<void>;
  /** New requests wait; those under way go on. */
  hold(): Promise<void>;
  /**
   * How many requests the server has not answered yet, streams among them, but for those that
   * an earlier hold has let in; undefined where the proxy does not tell.
   */
  underWay(): Promise<number | undefined>;
}

/** Nobody listens at the server's port there, in the proxy's own container. */
const nobody = "127.0.0.1";

/**
 * A request has found its server within this time of having been taken in: seconds, as the
 * shell in the container counts them.
 */
const settled = 0.3;

/**
 * The proxy of a stack as the door it is. A hold ends by itself after HOLD_MAX, should nobody
 * come to end it: then requests are told that the server is away instead of waiting in vain.
 * @param token tells this hold from any later one, such as a release's id
 * @returns undefined where no proxy runs
 */
export async function findDoor(
  settings: Settings,
  token: string,
  tools: Pick<Tools, "engine">,
): Promise<Door | undefined> {
  const containers = await tools.engine.containers(settings.project);
  const proxy = containers.find((one) => one.service === "proxy" && one.state === "running");
  if (proxy === undefined) return undefined;
  const holdSeconds = durationMs(settings.get("HOLD_MAX") || longestHold) / 1000;
  const { folder, open, held, holding, service } = gate;
  const write = (file: string, text: string) =>
    `echo ${text} > ${file}.next && $bb mv ${file}.next ${file}`;
  const run = async (...lines: string[]) => {
    const script = ["bb=/probe/busybox", `cd ${folder}`, ...lines].join("\n");
    const done = await tools.engine.exec(proxy.id, ["/probe/busybox", "sh", "-ec", script]);
    if (done.code === 0) return;
    throw new Problem("STEP_FAILED", "the proxy could not be told where requests go", {
      details: [done.stderr.trim() || `exit ${done.code}`],
    });
  };
  const go = (host: string) => [
    write(held, host),
    write(open, host),
    `$bb rm -f ${holding}`,
    // Whoever was about to reach the former one has done so when this returns.
    `$bb sleep ${settled}`,
  ];
  return {
    // The engine's own name for a container on its networks.
    sendTo: (container) => run(...go(container.slice(0, 12))),
    open: () => run(...go(service)),
    hold: () =>
      run(
        // Before anybody is sent there: who is held reaches nobody, and `underWay` need not count it.
        write(held, nobody),
        write(holding, token),
        `( $bb sleep ${holdSeconds}
           if [ "$($bb cat ${holding})" = ${token} ]; then
             ${write(held, service)}; ${write(open, service)}; $bb rm -f ${holding}
           fi ) < /dev/null > /dev/null 2>&1 &`,
        // Whoever came just before has reached the server when this returns.
        `$bb sleep ${settled}`,
      ),
    async underWay() {
      const ask = ["/probe/busybox", "wget", "-q", "-Y", "off", "-T", "5", "-O", "-", upstreamsUrl];
      const { code, stdout } = await tools.engine.exec(proxy.id, ask);
      return code === 0 ? requestsUnderWay(stdout) : undefined;
    },
  };
}
