import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { readBytes } from "./readLayer.ts";

/** An age identity, and the file it is in. */
export interface Key {
  readonly path: string;
  /** "AGE-SECRET-KEY-1…", as the age format names an X25519 identity. */
  readonly identity: string;
}

/**
 * Reads the key of sealed secrets.
 * @returns undefined where there is no such file
 * @throws Problem SETTINGS_INVALID where others can read it, or it holds something else
 */
export function readKey(path: string): Key | undefined {
  const found = readBytes(path);
  if (found === "ENOENT") return undefined;
  if (typeof found === "string") {
    throw unusableKey(
      `${path}: expected a readable file, got ${found}`,
      "make it readable for you",
    );
  }
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
    throw unusableKey(`${path}: expected mode 0600, got ${mode}`, `chmod 600 ${path}`);
  }
  const lines = found.bytes.toString().split("\n");
  const retained = lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && line[0] !== "#");
  const [identity = ""] = retained;
  if (retained.length === 1 && /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/u.test(identity)) {
    return { path, identity };
  }
  throw unusableKey(
    `${path}: expected one age identity (AGE-SECRET-KEY-1…), got something else`,
    "put a copy of the key file back",
  );
}

function unusableKey(detail: string, next: string): Problem {
  return new Problem("SETTINGS_INVALID", "the key of sealed secrets is not usable", {
    details: [detail],
    next,
  });
}

/**
 * Makes the key of sealed secrets (0600), unless there is one.
 * @param day "2026-11-21", for its comment
 * @throws Problem SETTINGS_INVALID where one is there and not usable
 */
export async function makeKey(path: string, day: string): Promise<Key> {
  const present = readKey(path);
  if (present !== undefined) return present;
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = `# created: ${day}\n# public key: ${recipient}\n${identity}\n`;
  // Another process made one in between: that one counts.
  if (!writeSecretFile(path, text, false)) return makeKey(path, day);
  return { path, identity };
}

/**
 * Writes a secrets file (0600) whole or not at all, and onto the disk: a run interrupted in
 * between must not leave half a key.
 * @param replace whether a file may be there; without it, one that is there stays
 * @returns false when a file was there that may not be replaced
 */
export function writeSecretFile(path: string, text: string | Buffer, replace: boolean): boolean {
  const draft = `${path}.${process.pid}.secrets.env`; // the ending git ignores
  rmSync(draft, { force: true });
  const opened = openSync(draft, "wx", 0o600);
  try {
    writeFileSync(opened, text);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  try {
    // A link, other than a rename, fails where something is there already.
    if (replace) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  syncDirectory(dirname(path));
  return true;
}

function syncDirectory(directory: string): void {
  const opened = openSync(directory, "r");
  try {
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
}

/** Where an environment's secrets are below the root: in plain text, or sealed with the key. */
export function secretsPaths(environment: EnvironmentName): { plain: string; sealed: string } {
  const plain = `env/${environment}.secrets.env`;
  return { plain, sealed: `${plain}.age` };
}
