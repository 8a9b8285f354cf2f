import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");

/** The file that is read for one of the repository: the fake server's role, and no one's secrets. */
export function standsFor(path: string): string {
  if (path.endsWith(".secrets.env")) return join(root, "env/missing");
  return path === join(root, "compose/server.yaml")
    ? join(root, "test/fakes/server/server.yaml")
    : path;
}
