import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface SmallEngine {
  /** What its DOCKER_HOST is. */
  readonly host: string;
  /** A shell command that takes all space that is left on its disk. */
  readonly fill: string;
  /** Gives that space back. */
  free(): void;
  /** Ends it and takes away all it had. */
  end(): Promise<void>;
}

/** Seven networks, of an address range that is no one's else here. */
const pool = { base: "10.217.0.0/25", size: 28 } as const;
const range = pool.base.replace("/25", "/16");
/** Without one of its own it would use docker0, and with none at all remove that from the machine. */
const bridge = "letta-small0";
const forward = ["DOCKER-USER", "-s", range, "-d", range, "-j", "ACCEPT"];

/**
 * Another engine alongside the machine's own, on a small disk and with few networks to give: what
 * it runs out of no one else misses. Takes root.
 * @param images of the machine's engine, which it has too
 * @param gigabytes of its disk; what is not written takes no space of the machine's
 */
export async function smallEngine(
  images: readonly string[],
  gigabytes: number,
): Promise<SmallEngine> {
  const root = mkdtempSync(join(tmpdir(), "engine-"));
  const data = join(root, "data");
  mkdirSync(data);
  const disk = join(root, "disk");
  must("truncate", ["-s", `${gigabytes}G`, disk]);
  must("mkfs.ext4", ["-q", "-m", "0", disk]); // nothing set aside for root, who the engine is
  must("mount", ["-o", "loop", disk, data]);
  // The machine's engine forwards nothing that is not its own, this one has no say in that.
  spawnSync("iptables", ["-I", ...forward]);
  must("ip", ["link", "add", bridge, "type", "bridge"]);
  must("ip", ["address", "add", "10.217.1.1/28", "dev", bridge]);
  const host = `unix://${root}/socket`;
  const places = ["--data-root", data, "--exec-root", join(root, "exec")];
  const own = ["--pidfile", join(root, "pid"), "--containerd-namespace", "small", "-H", host];
  const networks = ["--bridge", bridge, "--iptables=false", "--ip6tables=false"];
  const addresses = ["--default-address-pool", `base=${pool.base},size=${pool.size}`];
  const log = openSync(join(root, "log"), "w");
  const engine = spawn(
    "setpriv", // it ends with its parent
    ["--pdeathsig", "TERM", "dockerd", ...places, ...own, ...networks, ...addresses],
    { stdio: ["ignore", log, log] },
  );
  const ended = once(engine, "exit");
  const end = async () => {
    engine.kill();
    await ended;
    spawnSync("umount", [data]);
    spawnSync("iptables", ["-D", ...forward]);
    spawnSync("ip", ["link", "delete", bridge]);
    rmSync(root, { recursive: true, force: true });
  };
  try {
    while (spawnSync("docker", ["-H", host, "version"]).status !== 0) {
      if (engine.exitCode !== null) throw new Error(`dockerd ended; see ${root}/log`);
      await sleep(100);
    }
    const copy = 'host=$0; docker save "$@" | docker -H "$host" load -q';
    must("sh", ["-c", copy, host, ...images]);
  } catch (error) {
    await end();
    throw error;
  }
  const filled = join(data, "filled");
  const script = join(root, "fill");
  const all = `fallocate -l "$(stat -f -c '%a * %S' ${data} | xargs expr)" ${filled}`;
  writeFileSync(script, `${all}\ncat /dev/zero >> ${filled}.rest\nsync\nexit 0\n`);
  return {
    host,
    fill: `sh ${script} 2>/dev/null`,
    free() {
      rmSync(filled, { force: true });
      rmSync(`${filled}.rest`, { force: true });
    },
    end,
  };
}

function must(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
}
