// What every change may break is run each time: the stack comes up, releases go there and back under
// load and on real Letta. What goes deep into one part takes three quarters of an hour on two cores:
// each day a quarter of it is run by `npm test`, all of it by `npm test -- all`.
import { join } from "node:path";

/** The suites of each turn, below test/real/: about as long as each other. */
const turns = [
  ["exits", "rotate", "database", "operations", "proxy", "backup"],
  ["killed", "bakeGate", "smallEngine", "registry", "standin", "pull", "engineRestart"],
  ["faults", "upAgain", "firstSink", "doctor", "development"],
  ["telemetry", "canary", "backends", "delivery", "configurations", "newestClickHouse", "grafana"],
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
