import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { isAlive } from "../common/processMark.ts";
import { runEditor } from "../docker/runEditor.ts";
import { assertNoFaults, parseEnvFile } from "../settings/envFile.ts";
import { checkSecretsText, noteDates } from "../settings/secrets.ts";
import { openSecretsFile, type SecretsPlace } from "../settings/secretsFile.ts";
import type { Terminal } from "./terminal.ts";

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

/** What Linux calls the file systems that are memory: tmpfs and ramfs. */
const memory = [0x01021994, 0x858458f6];

const prefix = "letta-stack-edit-";

/**
 * Lends a text as a file (0600, in a folder of its own with 0700) that is in memory and on no
 * disk, and takes it away on every way out: also where the process ends at once. Only kill -9
 * leaves it; the next one that is lent removes it.
 * @param folders where memory may be mounted, the best first
 * @returns what the work does; undefined where none of the folders is memory
 */
export async function privateFile<Result>(
  folders: readonly string[],
  text: string,
  work: (path: string) => Promise<Result>,
): Promise<Result | undefined> {
  const found = folders.find(isMemory);
  if (found === undefined) return undefined;
  sweep(found);
  const folder = mkdtempSync(join(found, `${prefix}${process.pid}-`));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    const path = join(folder, "secrets.env");
    writeFileSync(path, text, { mode: 0o600 });
    return await work(path);
  } finally {
    remove();
    process.off("exit", remove);
  }
}

function isMemory(folder: string): boolean {
  try {
    return memory.includes(statfsSync(folder).type);
  } catch {
    return false;
  }
}

/** Removes what a killed process left. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(/^letta-stack-edit-(\d+)-/.exec(name)?.[1]);
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    try {
      rmSync(join(folder, name), { recursive: true, force: true });
    } catch {
      // It belongs to another user.
    }
  }
}
