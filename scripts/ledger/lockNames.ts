import { realpathSync } from "node:fs";

/**
 * What a command that writes must hold: the Compose project, as two clones may mean the same
 * one, and the state directory, as two projects may be told the same one.
 * @param directory an environment's state directory; it must exist
 */
export function lockNames(project: string, directory: string): string[] {
  return [`project/${project}`, `state/${realpathSync(directory)}`];
}
