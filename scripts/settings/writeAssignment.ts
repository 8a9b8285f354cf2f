import { Problem } from "../common/problem.ts";
import { declarations, type SettingName } from "./declarations.ts";
import { quoteEnvValue } from "./quoteEnvValue.ts";
import { readStatement } from "./readStatement.ts";

/**
 * The text of an env file with one assignment written anew where it stands, or added at its
 * end with what it is for; the rest stays byte for byte.
 * @throws Problem USAGE for a value that no form of an env file brings back byte for byte
 */
export function writeAssignment(text: string, name: SettingName, value: string): string {
  const quoted = quoteEnvValue(value);
  if (quoted === undefined) {
    throw new Problem(
      "USAGE",
      `${name}: expected a value that an env file can hold, got one with quotes and $ or line ends`,
    );
  }
  const statement = `${name}=${quoted}`;
  const lines = text.replace(/^\ufeff/u, "").split("\n");
  for (let from = 0; from < lines.length;) {
    const found = readStatement(lines, from);
    if (found.kind === "assignment" && found.name === name) {
      return [...lines.slice(0, from), statement, ...lines.slice(found.next)].join("\n");
    }
    from = found.next;
  }
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}\n# ${declarations[name].about}\n${statement}\n`;
}
