import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Takes every connection that a database's server has, for so many seconds.
 * @param container the server's
 * @returns when somebody who came was refused; it ends when the last of them is free again
 */
export async function takeConnections(container: string, seconds: number): Promise<ChildProcess> {
  const psql = "psql -U letta -d letta -qAtc";
  // Ten more than there are.
  const all = `for one in $(seq 110); do ${psql} "SELECT pg_sleep(${seconds})" & done; wait`;
  const taken = spawn("docker", ["exec", container, "sh", "-c", all], { stdio: "ignore" });
  for (;;) {
    const asked = ["exec", container, ...psql.split(" "), "SELECT 1"];
    if (/too many clients/.test(spawnSync("docker", asked).stderr.toString())) return taken;
    if (taken.exitCode !== null) throw new Error("they ended before anybody was refused");
    await sleep(50);
  }
}
