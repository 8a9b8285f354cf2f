// What goes deepest into one part takes longest, and breaks least often: each day a third of it is
// run by `npm test`, all of it by `npm test -- all`.
import { join } from "node:path";

/** The suites of each turn, below test/real/: about as long as each other. */
const turns = [
  ["killed", "rotate", "registry"],
  ["faults", "smallEngine", "bakeGate", "newestClickHouse", "firstSink"],
  ["canary", "backends", "delivery", "doctor", "configurations", "grafana", "database", "pull"],
];

const day = 86_400_000;

/** The turn of a day, from 0. */
export function turnOf(ms: number): number {
  return Math.floor(ms / day) % turns.length;
}

/** Whether a file is run in a turn: all that have none of their own are. */
export function isTurnOf(file: string, turn: number): boolean {
  const own = turns.findIndex((suites) => suites.some((one) => file === fileOf(one)));
  return own === -1 || own === turn;
}

const fileOf = (suite: string) => join("test", "real", `${suite}.test.ts`);

/** Within a suite: whether this run is of that turn, or of all. */
export function isTurn(turn: number): boolean {
  const run = process.env["TEST_TURN"];
  return run === undefined || Number(run) === turn;
}
