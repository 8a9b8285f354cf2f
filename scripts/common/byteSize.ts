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
