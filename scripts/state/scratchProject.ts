/**
 * The name of a throw-away Compose project: it carries the installation's id, so that `down
 * --volumes` never meets a project that merely has such a name.
 * @param purpose such as "rehearsal"
 * @param installation its id
 */
export function scratchProject(project: string, purpose: string, installation: string): string {
  return `${project}-${purpose}-${installation.slice(0, 8)}`;
}
