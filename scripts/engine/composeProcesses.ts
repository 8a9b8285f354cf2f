import { readdirSync, readFileSync } from "node:fs";

/**
 * Counts the Compose processes that work on a project, by their command lines. A `docker
 * compose` outlives the tool that started it when that is killed. Elsewhere than on Linux
 * none are seen.
 */
export function composeProcesses(project: string): number {
  return processes().filter(
    (argv) =>
      argv.some((one) => /(^|\/)(docker|docker-compose)$/.test(one)) && names(argv, project),
  ).length;
}

function names(argv: readonly string[], project: string): boolean {
  const at = argv.indexOf("--project-name");
  return at >= 0 && argv[at + 1] === project;
}

function processes(): string[][] {
  let ids: string[];
  try {
    ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return ids.map((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0");
    } catch {
      return []; // it has ended meanwhile
    }
  });
}
