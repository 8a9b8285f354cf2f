import { parseEnvFile } from "./parseEnvFile.ts";

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
