import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { Fault } from "./parseEnvFile.ts";

/**
 * Tells all faults at once, in the order of the files and their lines.
 * @param places the files, lowest layer first
 * @throws Problem SETTINGS_INVALID unless there is none
 */
export function refuseFaults(
  environment: EnvironmentName,
  faults: readonly Fault[],
  places: readonly string[],
): void {
  if (faults.length === 0) return;
  const placeOf = (fault: Fault) => places.indexOf(fault.file);
  const ordered = faults.toSorted((a, b) => placeOf(a) - placeOf(b) || a.line - b.line);
  const curable = faults.every((fault) => fault.text.endsWith(initCommand(environment)));
  const count = faults.length === 1 ? "1 setting is" : `${faults.length} settings are`;
  throw new Problem("SETTINGS_INVALID", `${count} not usable`, {
    details: ordered.map(({ file, line, text }) =>
      line === 0 ? `${file}: ${text}` : `${file}:${line}: ${text}`,
    ),
    next: curable ? initCommand(environment) : `npm run settings -- ${environment}`,
  });
}

function initCommand(environment: EnvironmentName): string {
  return `npm run secrets -- init ${environment}`;
}
