import { readdirSync, readFileSync } from "node:fs";

/** The processes of Docker Compose that work on a project. */
export function composeOf(project: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((id) => {
      try {
        const argv = readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0");
        const at = argv.indexOf("--project-name");
        return /docker/.test(argv[0] ?? "") && at >= 0 && argv[at + 1] === project;
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .map(Number);
}
