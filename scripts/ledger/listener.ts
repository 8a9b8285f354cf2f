import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import type { LockAddress } from "./lockAddress.ts";

/** A process as the kernel knows it, whatever it says of itself. */
export interface Listener {
  readonly pid: number;
  readonly uid: number;
  /** The name of its program. */
  readonly program: string;
}

/**
 * The process that listens at an abstract socket (proc(5), /proc/net/unix).
 * @returns undefined where that is another user's, whom only root may look at, or not Linux'
 */
export function listener(address: LockAddress): Listener | undefined {
  if ("port" in address) return undefined;
  const name = address.path.replaceAll("\0", "@");
  try {
    const line = readFileSync("/proc/net/unix", "utf8")
      .split("\n")
      .find((one) => one.endsWith(` ${name}`) && one.split(/\s+/)[3] === "00010000");
    const socket = `socket:[${line?.split(/\s+/)[6]}]`;
    const pids = readdirSync("/proc").filter((one) => /^\d+$/.test(one));
    const pid = line && pids.find((one) => opens(one, socket));
    if (pid === undefined) return undefined;
    const program = readFileSync(`/proc/${pid}/comm`, "utf8").trim().replaceAll(/\p{C}/gu, "");
    return { pid: Number(pid), uid: statSync(`/proc/${pid}`).uid, program };
  } catch {
    return undefined;
  }
}

function opens(pid: string, socket: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((one) => readlinkSync(`${folder}/${one}`) === socket);
  } catch {
    return false;
  }
}
