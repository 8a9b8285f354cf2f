import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { gatherReport, lastFailed, type Report } from "../deploy/report.ts";
import type { Settings } from "../settings/readSettings.ts";
import { writeFile } from "../state/writeFile.ts";
import { createContext } from "./createContext.ts";
import { reportPage } from "./reportPage.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Writes the page of a run: with its release, or among the reports where it made none.
 * @param requested a release's id, a run's id, or "last"
 * @param output where it goes instead
 * @throws Problem RELEASE_UNKNOWN
 */
export async function writeReport(
  settings: Settings,
  requested: string,
  output: string | undefined,
  terminal: Terminal,
): Promise<{ file: string; report: Report }> {
  const report = await gatherReport(settings, requested, createContext(terminal));
  const file = output ?? pathOf(settings, report);
  writeFile(file, reportPage(report));
  return { file, report };
}

function pathOf({ stateDir, environment }: Settings, report: Report): string {
  const { release, run, begun, ended } = report;
  const directory = join(stateDir, environment);
  const folder = join(directory, "releases", release?.id ?? "none");
  const isMade = release !== null && begun <= release.created && release.created <= ended;
  if (isMade && existsSync(folder)) return join(folder, "report.html");
  mkdirSync(join(directory, "reports"), { recursive: true, mode: 0o700 });
  return join(directory, "reports", `${run}.html`);
}

/** Runs a deploy or a rollback; one that touched something and failed leaves its report. */
export async function reportingFailure<Outcome>(
  settings: Settings,
  terminal: Terminal,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    const exit = error instanceof Problem ? error.exit : 1;
    if (exit === 4 || exit === 5) {
      // The failure is what counts: a report that cannot be written must not hide it.
      await writeReport(settings, lastFailed, undefined, terminal).then(
        ({ file }) => terminal.note(`report: ${file}`),
        (why: unknown) => terminal.note(`no report could be written: ${String(why)}`),
      );
    }
    throw error;
  }
}
