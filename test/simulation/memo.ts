const most = 1000;

/**
 * Keeps what a pure function answered, by a key that says all it answers from: rendering and
 * reading YAML costs more than all the rest of a run, and its answers recur.
 */
export function memo<Given extends readonly unknown[], Answer>(
  work: (...given: Given) => Answer,
  keyOf: (...given: Given) => string,
): (...given: Given) => Answer {
  const known = new Map<string, Answer>();
  return (...given) => {
    const key = keyOf(...given);
    const found = known.get(key);
    if (found !== undefined) {
      // Those that were asked for last stay longest.
      known.delete(key);
      known.set(key, found);
      return found;
    }
    const answer = work(...given);
    known.set(key, answer);
    if (known.size > most) known.delete(known.keys().next().value!);
    return answer;
  };
}
