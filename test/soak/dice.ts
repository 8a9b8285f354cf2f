/** Chance that can be had again: the same seed throws the same. */
export class Dice {
  #state: number;
  /** @param cycle each has dice of its own: what one cycle threw changes nothing in the next */
  constructor(seed: number, cycle: number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(cycle + 1, 0x85ebca6b)) >>> 0;
    for (let warm = 0; warm < 4; warm += 1) this.#next();
  }

  /** A whole number from 0, below a limit. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** One of a list that has at least one. */
  pick<Item>(list: readonly Item[]): Item {
    return list[this.below(list.length)]!;
  }

  /** Mulberry32: evenly spread, and 32 bits of state are enough for this. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
