/**
 * The SHA-256 that a list of checksums gives a file, as sha256sum writes such lists.
 * @returns 64 hexadecimal digits; undefined where the list has no such file, or has two
 */
export function listedChecksum(list: string, file: string): string | undefined {
  const found = list.split(/\r?\n/).flatMap((line) => {
    const [, digest = "", name] = /^([0-9a-fA-F]{64})\s+\*?(\S+)$/.exec(line.trim()) ?? [];
    return name === file ? [digest.toLowerCase()] : [];
  });
  return found.length === 1 ? found[0] : undefined;
}
