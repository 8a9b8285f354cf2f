import { Problem } from "../common/problem.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
import { readStatement } from "./readStatement.ts";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";

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
  return `${text}${end}\n# ${settingDefinitions[name].description}\n${statement}\n`;
}

/**
 * Writes a value as it may stand after `NAME=` in an env file: bare where that is enough,
 * else in single, else in double quotes.
 * @returns undefined when no form is read back byte for byte by every reader, as with a
 *   value that holds both ' and a $ that would be expanded
 */
export function quoteEnvValue(value: string): string | undefined {
  const forms = [value, `'${value}'`, `"${value}"`];
  // Judged by the reader itself, so that writer and reader cannot drift apart.
  return forms.find((form) => {
    const { assignments, faults } = parseEnvFile(`A=${form}\n`, "");
    return faults.length === 0 && assignments.length === 1 && assignments[0]?.value === value;
  });
}
