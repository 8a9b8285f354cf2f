import { createHash } from "node:crypto";

/** Where a lock is listened on: an abstract socket's name, or a port of the loopback. */
export type LockAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

/** sockaddr_un has 108 bytes; Linux takes all of them, others keep one for a NUL. */
const mostBytes = 107;

/** Below the ports that systems give out by themselves, and apart from the usual servers'. */
const firstPort = 41_000;
const ports = 8_000;

/**
 * Where the lock of a name is held on this host: by the kernel, and no longer than its holder
 * lives. Linux has sockets without a file; elsewhere a port stands for the name.
 * @param platform as in `process.platform`
 */
export function lockAddress(name: string, platform: string): LockAddress {
  const digest = createHash("sha256").update(name).digest();
  if (platform !== "linux") {
    return { host: "127.0.0.1", port: firstPort + (digest.readUInt32BE() % ports) };
  }
  const path = `\0letta-stack/${name}`;
  if (Buffer.byteLength(path) <= mostBytes) return { path };
  return { path: `\0letta-stack/${digest.toString("hex")}` };
}
