// Stands for scripts/database/scramVerifier.ts: no simulated login asks for a password, and to make what
// Postgres stores of one takes thousands of digests on purpose.

export function scramVerifier(_password: string, salt: Buffer): string {
  return `SCRAM-SHA-256$4096:${salt.toString("base64")}$stored:server`;
}
