// `npm test`: everything. First what needs no engine, then, on the real parts, two suites at a
// time: one on Letta, one that is light.
import { spawn, spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const all = globSync("test/**/*.test.ts", { cwd: root }).sort();
const chosen = all.filter(
  (file) => wanted.length === 0 || wanted.some((part) => file.includes(part)),
);
const inReal = (file: string) => file.startsWith(join("test", "real"));
/** It takes the engine away from all others. */
const isAlone = (file: string) => file.endsWith("engineRestart.test.ts");
const real = chosen.filter((file) => inReal(file) && !isAlone(file));
const pure = chosen.filter((file) => !inReal(file));

/** Builds images that are missing, with its progress to be seen; what is there costs nothing. */
function build(args: readonly string[], settings: Readonly<Record<string, string>>): void {
  const entry = ["--import", "./scripts/cli/start.mjs", "scripts/images.ts", "build"];
  const { status } = spawnSync(process.execPath, [...entry, ...args, "--yes"], {
    cwd: root,
    env: { ...process.env, ...settings },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) process.exit(status ?? 1);
}

const runs = (names: RegExp) => chosen.some((file) => names.test(file));
// Brings the engine up where it is missing, and builds what the suites run: once, rather than
// inside the first test that needs it.
if (runs(/test.(real|stack)./)) build([], {});
// The past releases that the story on real Letta goes through.
if (runs(/real.letta/)) {
  for (const version of ["0.15.1", "0.16.7"]) build(["letta"], { LETTA_VERSION: version });
}
// Collectors with the parts that ClickHouse and Datadog need, and the newest one.
if (runs(/real.(backends|canary|configurations|delivery|doctor|grafana|newest|telemetry)/)) {
  const clickHouse = { CLICKHOUSE_ENDPOINT: "http://127.0.0.1:8123" };
  build(["collector"], clickHouse);
  build(["collector"], { ...clickHouse, DD_API_KEY: "made-up-for-the-build" });
  build(["collector"], { ...clickHouse, OTEL_VERSION: "0.161.0" });
}

/** On the stand-in server or on Postgres alone: light enough to run beside Letta. */
const light = [
  "backup",
  "bakeGate",
  "canary",
  "clickhouse",
  "configurations",
  "exits",
  "faults",
  "grafana",
  "killed",
  "localCollector",
  "newestClickHouse",
  "operations",
  "proxy",
  "registry",
  "rotate",
  "security",
  "standin",
];
const isLight = (file: string) =>
  light.some((name) => file.endsWith(join("real", `${name}.test.ts`)));

/** Runs files with Node's own runner. @returns whether all went well, and what it wrote */
function run(files: readonly string[], flags: readonly string[], shows: boolean) {
  const out: Buffer[] = [];
  const child = spawn(process.execPath, ["--test", ...flags, ...files], {
    cwd: root,
    stdio: ["ignore", shows ? "inherit" : "pipe", "inherit"],
  });
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
  return new Promise<{ isGood: boolean; written: Buffer }>((resolve) => {
    child.once("close", (code) => resolve({ isGood: code === 0, written: Buffer.concat(out) }));
  });
}

let isGood = chosen.length > 0;
// A file that hangs is ended and named, rather than that all the rest waits for it.
const within = (minutes: number) => ["--test-force-exit", `--test-timeout=${minutes * 60_000}`];
if (pure.length > 0) isGood = (await run(pure, within(2), true)).isGood && isGood;
// Two lanes, each one suite after the other: a server that boots has one core to itself.
const one = ["--test-concurrency=1", ...within(12)];
const lanes = [real.filter((file) => !isLight(file)), real.filter(isLight)];
const ran = await Promise.all(
  lanes.map((files, lane) =>
    files.length === 0 ? undefined : run(files, one, lane === 0 || lanes[0]!.length === 0),
  ),
);
for (const ended of ran) {
  isGood &&= ended?.isGood ?? true;
  if (ended) process.stdout.write(ended.written);
}
const alone = chosen.filter(isAlone);
if (alone.length > 0) isGood = (await run(alone, one, true)).isGood && isGood;
if (chosen.length === 0) process.stderr.write(`no test file matches ${wanted.join(", ")}\n`);
process.exitCode = isGood ? 0 : 1;
