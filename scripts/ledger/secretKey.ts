import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFile } from "./writeFile.ts";

/** The key of an environment's secret digests: made once, never leaves the state directory. */
export function secretKey(directory: string, randomBytes: (count: number) => Buffer): Buffer {
  return kept(directory, "key", () => randomBytes(32).toString("hex"), "hex");
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

/** A random id of this installation, for links; says nothing about the machine. */
export function deviceId(directory: string, randomBytes: (count: number) => Buffer): string {
  return kept(directory, "device-id", () => randomBytes(8).toString("hex"), "utf8").toString(
    "utf8",
  );
}

function kept(
  directory: string,
  name: string,
  make: () => string,
  encoding: "hex" | "utf8",
): Buffer {
  const path = join(directory, name);
  if (!existsSync(path)) writeFile(path, make());
  return Buffer.from(readFileSync(path, "utf8"), encoding);
}
