import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Asks the engine, through its CLI, to do something that takes its time, while loads and fakes
 * of this process go on.
 */
export async function engine(...args: readonly string[]): Promise<void> {
  await run("docker", args);
}
