const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const generatedLength = 40;

/**
 * A secret of 40 letters and digits. Each is as likely as any other: bytes past the last
 * full round are dropped.
 * @param random cryptographic random bytes
 */
export function madeSecret(random: (bytes: number) => Buffer): string {
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < generatedLength) {
    for (const byte of random(generatedLength)) {
      if (byte < fair && text.length < generatedLength) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
