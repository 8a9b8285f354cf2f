/**
 * A block of a Caddyfile as `caddy fmt` writes it.
 * @param head what stands before the brace; "" for the block of global options
 * @param lines its content, blocks of their own among them
 */
export function caddyBlock(head: string, lines: readonly string[]): string[] {
  return [`${head} {`.trimStart(), ...lines.map((line) => `\t${line}`), "}"];
}
