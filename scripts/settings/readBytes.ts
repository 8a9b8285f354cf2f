import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";

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
