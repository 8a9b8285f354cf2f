import { realpathSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { readBytes } from "./readBytes.ts";
import { readKey } from "./readKey.ts";
import { sealText, unsealText } from "./sealText.ts";
import { secretsKeyPath } from "./secretsKeyPath.ts";
import { secretsPaths } from "./secretsPaths.ts";
import { writeSecretFile } from "./writeSecretFile.ts";

/** An environment's secrets, plain or sealed, opened. */
export interface SecretsFile {
  /** Its path below the root. */
  readonly file: string;
  readonly sealed: boolean;
  /** undefined where there is none yet. */
  readonly text: string | undefined;
  /**
   * Writes it whole or not at all, 0600, in the form it has.
   * @returns the file as it is now
   * @throws Problem STATE_UNUSABLE where another process has written it since it was read
   */
  write(text: string): Promise<SecretsFile>;
}

export interface SecretsPlace {
  readonly environment: EnvironmentName;
  /** The project's directory. */
  readonly root: string;
  /** What of it counts; see `countedEnvironment`. */
  readonly processEnvironment: Readonly<Record<string, string | undefined>>;
}

/**
 * Opens an environment's secrets file, in whichever form it is there.
 * @throws Problem SETTINGS_INVALID where both forms are there, and where a sealed one cannot
 *   be opened: no key, one that others can read, another one, a file interrupted
 */
export async function openSecretsFile(place: SecretsPlace): Promise<SecretsFile> {
  const { environment, root } = place;
  const { plain, sealed } = secretsPaths(environment);
  const [open, closed] = [plain, sealed].map((file) => read(root, file));
  if (closed === undefined) {
    return fileOf(root, plain, open, open?.toString(), (next) => Buffer.from(next));
  }
  if (open !== undefined) {
    throw new Problem("SETTINGS_INVALID", "there are two secrets files", {
      details: [`${plain}: expected one secrets file, got ${sealed} next to it`],
      next: `npm run secrets -- seal ${environment}`,
    });
  }
  const path = secretsKeyPath(place);
  const key = readKey(path);
  if (key === undefined) {
    throw new Problem("SETTINGS_INVALID", `${sealed} cannot be opened`, {
      details: [`${sealed}: expected its key in ${path}, got no file`],
      next: `put a copy of the key file back, or SECRETS_KEY_FILE=<where it is> in env/${environment}.env`,
    });
  }
  const text = await unsealText(closed, key, sealed);
  return fileOf(root, sealed, closed, text, (next) => sealText(next, key));
}

/** @param form makes the file's bytes of a text */
function fileOf(
  root: string,
  file: string,
  bytes: Buffer | undefined,
  text: string | undefined,
  form: (text: string) => Buffer | Promise<Buffer>,
): SecretsFile {
  return {
    file,
    sealed: file.endsWith(".age"),
    text,
    async write(next) {
      const made = await form(next);
      put(root, file, bytes, made);
      return fileOf(root, file, made, next, form);
    },
  };
}

/** Writes the next bytes in the place of those that were read, a link's own ones too. */
function put(root: string, file: string, before: Buffer | undefined, next: Buffer): void {
  const path = join(root, file);
  const now = read(root, file);
  const isSame = now === undefined || before === undefined ? now === before : now.equals(before);
  const target = now === undefined ? path : realpathSync(path);
  if (isSame && writeSecretFile(target, next, before !== undefined)) return;
  throw new Problem("STATE_UNUSABLE", `${file} was written by another process in between`, {
    next: "the same command again",
  });
}

/** @throws Problem SETTINGS_INVALID where something is there and cannot be read */
function read(root: string, file: string): Buffer | undefined {
  const found = readBytes(join(root, file));
  if (typeof found !== "string") return found.bytes;
  if (found === "ENOENT") return undefined;
  throw new Problem("SETTINGS_INVALID", `${file} cannot be read`, {
    details: [`${file}: expected a readable file, got ${found}`],
    next: `make ${file} a file that you can read`,
  });
}
