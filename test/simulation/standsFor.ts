import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** The file that is read for one of the repository: the stand-in's role, and nobody's secrets. */
export function standsFor(path: string): string {
  if (path.endsWith(".secrets.env")) return join(root, "env/nobody");
  return path === join(root, "compose/server.yaml")
    ? join(root, "test/rigs/standin/server.yaml")
    : path;
}
