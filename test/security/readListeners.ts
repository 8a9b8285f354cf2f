/** A socket that waits for connections. */
export interface Listener {
  /** "127.0.0.1", "::1"; of IPv6 otherwise the eight groups, none left out. */
  readonly address: string;
  readonly port: number;
}

/** Where a socket listens that no one but the machine (or container) itself can reach. */
export function isLoopback({ address }: Listener): boolean {
  return address.startsWith("127.") || address === "::1";
}

/**
 * The listening sockets in /proc/net/tcp and tcp6, one after the other.
 * Addresses stand there as 32-bit words in hexadecimal, each in the byte order of the machine,
 * ports in the network's; a state of 0A is one that listens.
 */
export function readListeners(text: string): Listener[] {
  return text.split("\n").flatMap((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.toLowerCase().split(":");
    return state === "0A" ? [{ address: addressOf(address), port: Number.parseInt(port, 16) }] : [];
  });
}

function addressOf(hex: string): string {
  const words = (hex.match(/.{8}/g) ?? []).map((word) => word.match(/../g)!.reverse().join(""));
  const bytes = words.join("").match(/../g) ?? [];
  const mapped = bytes.slice(0, 12).join("") === `${"00".repeat(10)}ffff`;
  const four = bytes.length === 4 ? bytes : mapped ? bytes.slice(12) : undefined;
  if (four) return four.map((byte) => Number.parseInt(byte, 16)).join(".");
  if (bytes.join("") === `${"00".repeat(15)}01`) return "::1";
  return (bytes.join("").match(/.{4}/g) ?? []).join(":");
}
