/** Numbers that come in the same order for the same seed. */
export interface Random {
  /** From 0 to below the limit, whole. */
  below(limit: number): number;
  chance(probability: number): boolean;
  pick<One>(of: readonly One[]): One;
  bytes(count: number): Buffer;
}

/** Mulberry32: small, quick and even enough for schedules. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (of) => of[below(of.length)]!,
    bytes: (count) => Buffer.from(Array.from({ length: count }, () => below(256))),
  };
}
