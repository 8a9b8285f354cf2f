import { readFileSync } from "node:fs";
import { Problem } from "../common/problem.ts";
import { runEditor } from "../docker/runEditor.ts";
import { checkSecretsText } from "../settings/checkSecretsText.ts";
import { openSecretsFile, type SecretsPlace } from "../settings/openSecretsFile.ts";
import { parseEnvFile } from "../settings/parseEnvFile.ts";
import { assertNoFaults } from "../settings/assertNoFaults.ts";
import { noteDates } from "../settings/secretDates.ts";
import type { Terminal } from "./terminal.ts";
import { privateFile } from "./privateFile.ts";

/**
 * Opens the secrets in an editor (VISUAL, EDITOR, else vi), on a copy in memory, and writes
 * them back where they are usable. With a terminal one that is not is edited once more.
 * @param day "2026-11-21"
 * @returns the file, and whether anything is another than before
 * @throws Problem SETTINGS_INVALID, DECLINED where the editor fails, HOST_UNSUPPORTED where no
 *   file system is memory; then the file stays as it is
 */
export async function editSecrets(
  place: SecretsPlace,
  day: string,
  terminal: Terminal,
): Promise<{ file: string; changed: boolean }> {
  const { environment, processEnvironment } = place;
  const opened = await openSecretsFile(place);
  const { file, text: before } = opened;
  if (before === undefined) {
    throw new Problem("USAGE", `${file}: expected a file to edit, got none`, {
      next: `npm run secrets -- init ${environment}`,
    });
  }
  const folders = [processEnvironment["XDG_RUNTIME_DIR"] ?? "", "/dev/shm"];
  const text = await privateFile(folders, before, (path) => edited(place, file, path, terminal));
  if (text === undefined) {
    throw new Problem("HOST_UNSUPPORTED", "there is no file system in memory to edit secrets in", {
      details: ["/dev/shm: expected tmpfs; on a disk a plain copy would stay behind"],
      next: `npm run secrets -- set ${environment} <name>`,
    });
  }
  if (text === before) return { file, changed: false };
  await opened.write(noteDates(before, text, day));
  return { file, changed: true };
}

async function edited(
  place: SecretsPlace,
  file: string,
  path: string,
  terminal: Terminal,
): Promise<string> {
  const { VISUAL, EDITOR, PATH } = place.processEnvironment;
  for (;;) {
    const code = await runEditor(VISUAL || EDITOR || "vi", path, PATH ?? "", terminal.signal);
    if (code !== 0) {
      throw new Problem("DECLINED", `the editor ended with ${code}: nothing was changed`, {
        next: "the same command again",
      });
    }
    try {
      const bytes = readFileSync(path);
      assertNoFaults(place.environment, parseEnvFile(bytes, file).faults, [file]);
      checkSecretsText(place, { file, text: bytes.toString() });
      return bytes.toString();
    } catch (error) {
      if (!(error instanceof Problem) || !process.stdin.isTTY) throw error;
      await terminal.confirm(`${error.message}. Edit again?`, error.details);
    }
  }
}
