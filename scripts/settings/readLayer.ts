import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Assignment, type Fault, parseEnvFile } from "./envFile.ts";

/** One env file as it is on disk; `present` is false where there is none. */
export interface Layer {
  readonly file: string;
  readonly present: boolean;
  /** Holds secrets: only its owner may read it, and it may be missing. */
  readonly secret: boolean;
  /** All it says, for those who look for more than assignments. */
  readonly text?: string;
  readonly assignments: readonly Assignment[];
  readonly faults: readonly Fault[];
}

/**
 * Reads one env file.
 * @param root the project's directory
 * @param file its path below the root, as faults name it; `*.secrets.env` holds secrets
 */
export function readLayer(root: string, file: string): Layer {
  const secret = file.endsWith(".secrets.env");
  const found = readBytes(join(root, file));
  const layer = { file, secret, present: typeof found !== "string" };
  if (typeof found === "string") {
    const missing = found === "ENOENT";
    if (missing && secret) return { ...layer, assignments: [], faults: [] };
    const cure = found === "EACCES" ? `; sudo chown "$USER" ${file}` : "";
    const text = `expected a readable file, got ${missing ? "none" : found}${cure}`;
    return { ...layer, assignments: [], faults: [{ file, line: 0, text }] };
  }
  const { assignments, faults } = parseEnvFile(found.bytes, file);
  const read = { ...layer, text: found.bytes.toString() };
  if (!secret || (found.mode & 0o077) === 0) return { ...read, assignments, faults };
  const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
  const text = `expected mode 0600, got ${mode}; chmod 600 ${file}`;
  return { ...read, assignments, faults: [{ file, line: 0, text }, ...faults] };
}

const largestFile = 1024 * 1024;

/** The bytes and the mode of the same open file, or in one word why there are none. */
export function readBytes(path: string): { bytes: Buffer; mode: number } | string {
  let opened: number | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for its writer.
    opened = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(opened);
    if (!status.isFile()) return "something that is not a file";
    if (status.size > largestFile) return `${status.size} bytes (1 MiB at most)`;
    return { bytes: readFileSync(opened), mode: status.mode };
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  } finally {
    if (opened !== undefined) closeSync(opened);
  }
}
