const unitBytes: Readonly<Record<string, number>> = {
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
};

/** @returns a size in Compose's notation ("1536m", "2gb") in bytes; 0 for what is none */
export function byteSize(size: string): number {
  const [, count = "0", unit = "b"] = /^(\d+)([bkmg]?)b?$/i.exec(size) ?? [];
  return Number(count) * (unitBytes[unit.toLowerCase() || "b"] ?? 1);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** @returns "1m30s" in milliseconds, as Go and Compose read it; 0 for what is none */
export function durationMs(duration: string): number {
  const parts = [...duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * unitMs[unit!]!, 0);
}
