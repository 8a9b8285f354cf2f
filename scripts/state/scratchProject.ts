import { installationId } from "./secretKey.ts";

/**
 * The name of a throw-away Compose project: it carries the installation's id, so that `down
 * --volumes` never meets a project that merely has such a name.
 * @param purpose such as "rehearsal"
 */
export function scratchProject(project: string, purpose: string, key: Buffer): string {
  return `${project}-${purpose}-${installationId(key).slice(0, 8)}`;
}
