import { closeSync, fsyncSync, openSync, realpathSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { makeKey } from "./makeKey.ts";
import type { SecretsPlace } from "./openSecretsFile.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
import { readBytes } from "./readBytes.ts";
import { assertNoFaults } from "./assertNoFaults.ts";
import { sealText, unsealText } from "./sealText.ts";
import { secretsKeyPath } from "./secretsKeyPath.ts";
import { secretsPaths } from "./secretsPaths.ts";
import { writeSecretFile } from "./writeSecretFile.ts";

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
