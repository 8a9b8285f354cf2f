import { createHash } from "node:crypto";
import { parseEnvFile } from "./parseEnvFile.ts";

const note = /^# set (\d{4}-\d\d-\d\d) \(check ([0-9a-f]{8})\)\r?$/u;

/**
 * When each secret of a file was set, by the comments that `noteDates` wrote. One that was
 * changed by hand since is left out: its comment belongs to another value.
 * @returns days such as "2026-11-21"
 */
export function secretDates(text: string): ReadonlyMap<string, string> {
  const lines = text.split("\n");
  const dates = parseEnvFile(text, "").assignments.flatMap(({ name, value, line }) => {
    const [, day = "", found = ""] = note.exec(lines[line - 2] ?? "") ?? [];
    return found !== "" && found === check(name, value) ? [[name, day] as const] : [];
  });
  return new Map(dates);
}

/**
 * Notes the day above every assignment whose value is another one than before.
 * @param day "2026-11-21"
 */
export function noteDates(before: string, text: string, day: string): string {
  const previous = new Map(
    parseEnvFile(before, "").assignments.map((one) => [one.name, one.value]),
  );
  const lines = text.split("\n");
  // From the last to the first, so that the lines still to come keep their numbers.
  for (const { name, value, line } of parseEnvFile(text, "").assignments.toReversed()) {
    if (previous.get(name) === value || value === "") continue;
    const isNoted = note.test(lines[line - 2] ?? "");
    const said = `# set ${day} (check ${check(name, value)})`;
    lines.splice(isNoted ? line - 2 : line - 1, isNoted ? 1 : 0, said);
  }
  return lines.join("\n");
}

/** Stands next to the value itself, so it gives nothing away that is not there already. */
function check(name: string, value: string): string {
  return createHash("sha256").update(`${name}=${value}`).digest("hex").slice(0, 8);
}
