import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

/** The key of an environment's secret digests: made once, never leaves the state directory. */
export function secretKey(directory: string, randomBytes: (count: number) => Buffer): Buffer {
  const path = join(directory, "key");
  if (!existsSync(path)) writeFile(path, randomBytes(32).toString("hex"));
  return Buffer.from(readFileSync(path, "utf8"), "hex");
}

/** The same key where it was made already; reading only. */
export function readKey(directory: string): Buffer | undefined {
  const path = join(directory, "key");
  return existsSync(path) ? Buffer.from(readFileSync(path, "utf8"), "hex") : undefined;
}

/** What tells two values apart without telling either. */
export function keyedDigest(key: Buffer, value: string): string {
  return createHmac("sha256", key).update(value).digest("hex").slice(0, 16);
}

/**
 * The id of the installation that a state directory is: on everything that it makes, so that it is
 * known again. A lost state directory is another installation.
 * @param key the environment's own, as secretKey made it
 */
export function installationId(key: Buffer): string {
  return keyedDigest(key, "installation");
}

/**
 * A random id of this installation, on its telemetry and in links: says nothing about the machine.
 * @param key the environment's own, as secretKey made it
 */
export function deviceId(key: Buffer): string {
  return keyedDigest(key, "device.id");
}
