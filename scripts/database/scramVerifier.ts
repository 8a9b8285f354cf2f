import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

const iterations = 4096;

/**
 * What Postgres stores for a password (RFC 5802, RFC 7677), as ALTER ROLE takes it too: so the
 * password itself never is part of a statement, which a server may write into its log.
 * @param password of plain letters and digits, for which no normal form has to be found
 * @param salt 16 random bytes
 */
export function scramVerifier(password: string, salt: Buffer): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const signed = (text: string) => createHmac("sha256", salted).update(text).digest();
  const stored = createHash("sha256").update(signed("Client Key")).digest("base64");
  const server = signed("Server Key").toString("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${stored}:${server}`;
}
