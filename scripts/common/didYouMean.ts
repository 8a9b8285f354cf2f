/**
 * The candidate a person most likely meant: one that continues or shortens what was typed,
 * else the one the fewest edits away, as long as most of what was typed stays.
 * @returns undefined when nothing is near
 */
export function didYouMean(typed: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(typed.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(typed.toLowerCase(), candidate.toLowerCase());
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best ?? [...candidates].find((one) => one.length > 2 && typed.startsWith(one));
}

/** Levenshtein's distance with two neighbours swapped as one edit, one row at a time. */
function distance(from: string, to: string): number {
  let beforeThat: number[] = [];
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1);
      const swapped =
        from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
          ? (beforeThat[column - 2] ?? 0) + 1
          : Infinity;
      current.push(
        Math.min(replaced, swapped, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1),
      );
    }
    [beforeThat, above] = [above, current];
  }
  return above[to.length] ?? 0;
}
