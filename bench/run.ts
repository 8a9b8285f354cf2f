// `npm run bench [name …]`: the claims of the README, measured. Ratios of pairs in one run,
// against plain Compose or an empty Node on the same machine; medians of several rounds.
import { performance } from "node:perf_hooks";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "dotenv";
import { table } from "../scripts/commands/table.ts";
import { strategies } from "./strategies.ts";
import { loss } from "./loss.ts";
import { proxy } from "./proxy.ts";
import { recovery } from "./recovery.ts";
import { releases, type Row } from "./releases.ts";
import { telemetry } from "./telemetry.ts";

const root = join(import.meta.dirname, "..");
/** Not the state of a stack that is in use. */
const state = mkdtempSync(join(tmpdir(), "letta-bench-"));
process.once("exit", () => rmSync(state, { recursive: true, force: true }));
const environment = { ...process.env, STACK_PROJECT: "letta-bench", STATE_DIR: state };
const entry = (name: string, ...args: string[]) => [
  "--import",
  "./scripts/commands/start.mjs",
  `scripts/commands/${name}.ts`,
  ...args,
];

/** Seconds that a command takes; what it says on failure ends the run. */
function timed(
  command: string,
  args: readonly string[],
  more: Record<string, string> = {},
  cwd = root,
): number {
  const started = performance.now();
  const done = spawnSync(command, args, { cwd, env: { ...environment, ...more } });
  if (done.status !== 0)
    throw new Error(`${command} ${args.join(" ")}: ${done.stdout}${done.stderr}`);
  return (performance.now() - started) / 1000;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const rounds = (count: number, work: () => number) => median(Array.from({ length: count }, work));

/** The file that the last `up` rendered, for plain Compose, with the secrets it needs. */
function plain(...args: string[]): number {
  const releases = join(state, "dev", "releases");
  const file = join(releases, readdirSync(releases).sort().at(-1)!, "compose.yaml");
  const secrets = parse(readFileSync(join(root, "env/dev.secrets.env")));
  return timed(
    "docker",
    ["compose", "--env-file", "/dev/null", "-p", "letta-bench", "-f", file, ...args],
    secrets,
  );
}

const up = () => timed(process.execPath, entry("up", "dev", "--yes"));
const down = () => timed(process.execPath, entry("down", "dev"));

const benches: Record<string, () => Row | Promise<Row[]>> = {
  releases,
  strategies,
  proxy,
  recovery,
  loss,
  telemetry,
  help() {
    const ours = rounds(15, () => timed(process.execPath, entry("up", "--help")));
    const theirs = rounds(15, () => timed(process.execPath, ["-e", "0"]));
    return { what: "up --help / an empty Node", ours, theirs, claim: "at most 60 ms more" };
  },
  noop() {
    up();
    const ours = rounds(5, up);
    const theirs = rounds(3, () => plain("up", "-d", "--wait"));
    return {
      what: "up:dev, nothing to do / compose up -d --wait",
      ours,
      theirs,
      claim: "under 1.5 s",
    };
  },
  start() {
    up();
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      down();
      ours.push(up());
      down();
      theirs.push(plain("up", "-d", "--wait"));
    }
    down();
    const what = "up:dev with verification, images present / compose up -d --wait";
    return { what, ours: median(ours), theirs: median(theirs), claim: "at most 1.10" };
  },
  bare() {
    const folder = mkdtempSync(join(tmpdir(), "letta-bare-"));
    const clone = timed("git", ["clone", "-q", root, join(folder, "clone")]);
    const install = timed("npm", ["ci"], {}, join(folder, "clone"));
    const brought = timed("npm", ["run", "-s", "up:dev", "--", "--yes"], {}, join(folder, "clone"));
    rmSync(folder, { recursive: true, force: true });
    const what = "clone, npm ci and up:dev, on this machine as it is / npm ci alone";
    return { what, ours: clone + install + brought, theirs: install, claim: "bare: at most 360 s" };
  },
};

const shown = (figure: number | string) =>
  typeof figure === "number" ? `${figure.toFixed(3)} s` : figure;
const asked = process.argv.slice(2).filter((word) => !word.includes("="));
const names = asked.length > 0 ? asked : ["help", "noop", "start"];
const rows = [["figure", "ours", "alongside it", "ratio", "claim"]];
for (const name of names) {
  const bench = benches[name];
  if (bench === undefined)
    throw new Error(`expected one of ${Object.keys(benches).join(", ")}, got ${name}`);
  process.stderr.write(`measuring ${name} …\n`);
  for (const { what, ours, theirs, claim } of [await bench()].flat()) {
    const isRatio = typeof ours === "number" && typeof theirs === "number";
    rows.push([what, shown(ours), shown(theirs), isRatio ? (ours / theirs).toFixed(2) : "", claim]);
  }
}
process.stdout.write(table(rows));
