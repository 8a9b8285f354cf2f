import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { Fault } from "./parseEnvFile.ts";

/** A command that a fault's text ends with. */
const remedy = /; (npm run secrets -- .*)$/u;

/**
 * Tells all faults at once, in the order of the files and their lines.
 * @param places the files, lowest layer first
 * @throws Problem SETTINGS_INVALID unless there is none
 */
export function assertNoFaults(
  environment: EnvironmentName,
  faults: readonly Fault[],
  places: readonly string[],
): void {
  if (faults.length === 0) return;
  const placeOf = (fault: Fault) => places.indexOf(fault.file);
  const ordered = faults.toSorted((a, b) => placeOf(a) - placeOf(b) || a.line - b.line);
  const [cure, ...others] = new Set(faults.map(({ text }) => remedy.exec(text)?.[1]));
  const count = faults.length === 1 ? "1 setting is" : `${faults.length} settings are`;
  throw new Problem("SETTINGS_INVALID", `${count} not usable`, {
    details: ordered.map(({ file, line, text }) =>
      line === 0 ? `${file}: ${text}` : `${file}:${line}: ${text}`,
    ),
    // One command that cures them all, where there is one.
    next: others.length === 0 && cure !== undefined ? cure : `npm run settings -- ${environment}`,
  });
}
