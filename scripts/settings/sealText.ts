import { Problem } from "../common/problem.ts";
import type { Key } from "./readKey.ts";

/** Seals a text in the age format for the key that opens it. */
export async function sealText(text: string, key: Key): Promise<Buffer> {
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
export async function unsealText(sealed: Buffer, key: Key, file: string): Promise<string> {
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
