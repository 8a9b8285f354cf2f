import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { readKey, type Key } from "./readKey.ts";
import { writeSecretFile } from "./writeSecretFile.ts";

/**
 * Makes the key of sealed secrets (0600), unless there is one.
 * @param day "2026-11-21", for its comment
 * @throws Problem SETTINGS_INVALID where one is there and not usable
 */
export async function makeKey(path: string, day: string): Promise<Key> {
  const present = readKey(path);
  if (present !== undefined) return present;
  const { generateX25519Identity, identityToRecipient } = await import("age-encryption");
  const identity = await generateX25519Identity();
  const recipient = await identityToRecipient(identity);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = `# created: ${day}\n# public key: ${recipient}\n${identity}\n`;
  // Another process made one in between: that one counts.
  if (!writeSecretFile(path, text, false)) return makeKey(path, day);
  return { path, identity };
}
