import type { EnvironmentName } from "./environmentName.ts";
import type { Fault } from "./parseEnvFile.ts";

/**
 * A new value that a rotation has made up and not yet verified stands in a comment above the
 * old one, so that a rotation that was interrupted knows both.
 */
const pending = /^# rotating ([A-Z][A-Z0-9_]*)=([A-Za-z0-9]+)$/u;

/** The new values of a rotation that has not ended, by their names. */
export function pendingSecrets(text: string): ReadonlyMap<string, string> {
  const found = text.split("\n").map((line) => pending.exec(line));
  return new Map(found.flatMap((one) => (one ? [[one[1] ?? "", one[2] ?? ""]] : [])));
}

/** The text with a rotation's new value noted above the old one; letters and digits alone. */
export function withPending(text: string, name: string, value: string): string {
  return `# rotating ${name}=${value}\n${text}`;
}

/** The text without any such note. */
export function withoutPending(text: string): string {
  const lines = text.split("\n");
  return lines.filter((line) => !pending.test(line)).join("\n");
}

/** Until a rotation that was interrupted is finished, either value may be right. */
export function pendingFaults(text: string, file: string, environment: EnvironmentName): Fault[] {
  return text.split("\n").flatMap((line, at) => {
    const [, name = ""] = pending.exec(line) ?? [];
    if (name === "") return [];
    const next = `npm run secrets -- rotate ${environment} ${name}`;
    const found = `${name}: expected no rotation under way, got one that was interrupted; ${next}`;
    return [{ file, line: at + 1, text: found }];
  });
}
