import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  realpathSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join, resolve, sep } from "node:path";
import { Problem } from "../common/problem.ts";
import { assertNoFaults, parseEnvFile } from "./envFile.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { gatherLayers, type SecretsText } from "./gatherLayers.ts";
import { readBytes } from "./readLayer.ts";
import { type Key, makeKey, readKey, secretsPaths, writeSecretFile } from "./secretsKey.ts";

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

/**
 * Where the key of an environment's sealed secrets is: the setting SECRETS_KEY_FILE, else
 * letta-stack/key in the user's own configuration directory (XDG_CONFIG_HOME, else ~/.config).
 * @throws Problem SETTINGS_INVALID for a path within the project, where copies of it would carry
 *   lock and key together, and where no home is known
 */
function secretsKeyPath({ environment, root, processEnvironment }: SecretsPlace): string {
  // Not from the secrets file: it is what the key opens.
  const layers = gatherLayers(environment, root, processEnvironment, { file: "", text: "" });
  const set = layers.winner("SECRETS_KEY_FILE")?.value ?? "";
  const home = processEnvironment["HOME"];
  const configuration =
    processEnvironment["XDG_CONFIG_HOME"] || (home ? join(home, ".config") : "");
  if (set === "" && configuration === "") {
    throw unusable(environment, "expected a path where HOME is not set, got nothing");
  }
  const path = resolve(root, set || join(configuration, "letta-stack", "key"));
  if (path.startsWith(`${resolve(root)}${sep}`)) {
    throw unusable(environment, `expected a path outside the project, got ${path}`);
  }
  return path;
}

function unusable(environment: EnvironmentName, what: string): Problem {
  return new Problem("SETTINGS_INVALID", "the key of sealed secrets is not usable", {
    details: [`SECRETS_KEY_FILE: ${what}`],
    next: `SECRETS_KEY_FILE=<a file outside the project> in env/${environment}.env`,
  });
}

/**
 * The text of an environment's sealed secrets, for `readSettings`, which does not wait.
 * @returns undefined where they are plain, which it reads itself
 * @throws Problem SETTINGS_INVALID where it cannot be opened
 */
export async function openSecrets(place: SecretsPlace): Promise<SecretsText | undefined> {
  if (!existsSync(join(place.root, secretsPaths(place.environment).sealed))) return undefined;
  const { file, text = "" } = await openSecretsFile(place);
  return { file, text };
}

/** Seals a text in the age format for the key that opens it. */
async function sealText(text: string, key: Key): Promise<Buffer> {
  const { Encrypter, identityToRecipient } = await import("age-encryption");
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(key.identity));
  return Buffer.from(await encrypter.encrypt(text));
}

/**
 * Opens a sealed text.
 * @param file its name, for messages
 * @throws Problem SETTINGS_INVALID for another key's, and for bytes that are interrupted or changed
 */
async function unsealText(sealed: Buffer, key: Key, file: string): Promise<string> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  decrypter.addIdentity(key.identity);
  try {
    return await decrypter.decrypt(sealed, "text");
  } catch (error) {
    const isOther = error instanceof Error && error.message.startsWith("no identity matched");
    const detail = isOther
      ? `expected the key it was sealed with, got another in ${key.path}`
      : "expected a whole age file, got one that is interrupted or changed";
    throw new Problem("SETTINGS_INVALID", `${file} cannot be opened`, {
      details: [`${file}: ${detail}`],
      next: isOther
        ? "SECRETS_KEY_FILE=<the right key> in the environment's file in env/"
        : `put a copy of ${file} back`,
      cause: error,
    });
  }
}

/** What became of a plain file: below the root, and where its key is. */
export interface Sealed {
  readonly file: string;
  readonly key: string;
}

/**
 * Makes a sealed file of a plain one. The plain one is overwritten and removed only after the
 * sealed one was read back from the disk and said the same; what a journaling or copying file
 * system retained of it alongside is out of reach. An interrupted one resumes where it was.
 * @param day "2026-11-21", for the key's comment where one is made
 * @throws Problem USAGE where there is nothing to seal, SETTINGS_INVALID where both files are
 *   there and differ, or the key is not usable
 */
export async function sealSecrets(place: SecretsPlace, day: string): Promise<Sealed> {
  const { environment, root } = place;
  const { plain, sealed } = secretsPaths(environment);
  const found = readBytes(join(root, plain));
  if (typeof found === "string") {
    const isSealed = typeof readBytes(join(root, sealed)) !== "string";
    const what = isSealed ? `${sealed} is all there is` : found;
    throw new Problem("USAGE", `${plain}: expected a file to seal, got ${what}`, {
      next: `npm run secrets -- ${isSealed ? "list" : "init"} ${environment}`,
    });
  }
  assertNoFaults(environment, parseEnvFile(found.bytes, plain).faults, [plain]);
  const text = found.bytes.toString();
  const key = await makeKey(secretsKeyPath(place), day);
  writeSecretFile(join(root, sealed), await sealText(text, key), false);
  const written = readBytes(join(root, sealed));
  if (typeof written === "string") throw new Error(`${sealed} cannot be read back: ${written}`);
  if ((await unsealText(written.bytes, key, sealed)) !== text) {
    throw new Problem("SETTINGS_INVALID", "there are two secrets files, and they differ", {
      details: [`${plain}: expected the same as in ${sealed}, got something else`],
      next: `remove the one that is wrong (${plain} or ${sealed}), then the same command`,
    });
  }
  wipe(join(root, plain));
  return { file: sealed, key: key.path };
}

/** Overwrites a file and takes it away, the one a link points to as well. */
function wipe(path: string): void {
  const real = realpathSync(path);
  const opened = openSync(real, "r+");
  try {
    writeSync(opened, Buffer.alloc(statSync(real).size), 0, undefined, 0);
    fsyncSync(opened);
  } finally {
    closeSync(opened);
  }
  rmSync(real);
  rmSync(path, { force: true });
}
