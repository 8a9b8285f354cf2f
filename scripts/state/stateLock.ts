import { realpathSync } from "node:fs";

/**
 * The name of a state directory's lock on this machine: two engines and two projects may be given
 * the same directory. The lock of a stack is at its engine, see `takeEngineLock`.
 * @param directory an environment's state directory; it must exist
 */
export function stateLock(directory: string): string {
  return `state/${realpathSync(directory)}`;
}
