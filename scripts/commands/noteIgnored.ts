import type { Terminal } from "./terminal.ts";

/** Tells which settings of the process environment do not count: the operator may mean them to. */
export function noteIgnored(ignored: readonly string[], terminal: Terminal): void {
  if (ignored.length === 0) return;
  const names = ignored.join(", ");
  terminal.note(`not taken from the process environment: ${names} (see --from-env)`);
}
