// `npm test [long | part of a name …]`: everything that guards a change, the same on every day; with
// `long` also the suites that repeat others more deeply; with names the files meant. First what needs
// no engine, then, on the real parts, two suites at a time.
import { spawn, spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename, join } from "node:path";
import { othersOnEngine } from "./real/othersOnEngine.ts";

const root = join(import.meta.dirname, "..");
const words = process.argv.slice(2);
const isLong = words.includes("long");
const requested = words.filter((one) => one !== "long");
const all = globSync("test/**/*.test.ts", { cwd: root }).sort();
/**
 * What only `npm run test:long` runs (an hour and a half on two cores, with the rest): suites that repeat
 * others on real Letta, and those of telemetry's backends, registries, stores and the engine itself. Within the
 * other suites the tests by `longTest` are its own too.
 */
const deep = [
  "adopt",
  "backends",
  "bakeGate",
  "configurations",
  "delivery",
  "engineRestart",
  "firstSink",
  "grafana",
  "lettaFaults",
  "newestClickHouse",
  "offsite",
  "registry",
  "size",
  "smallEngine",
  "telemetry",
];
const isDeep = (file: string) => deep.some((one) => file === join("test/real", `${one}.test.ts`));
const chosen = all.filter((file) =>
  requested.length === 0 ? isLong || !isDeep(file) : requested.some((part) => file.includes(part)),
);
if (isLong) process.env["TEST_LONG"] = "1";
/** On the real parts, or minutes of one core: each is run by itself. */
const isSlow = (file: string) =>
  file.startsWith(join("test", "real")) || file.startsWith(join("test", "simulation"));
/** It takes the engine away from all others. */
const isAlone = (file: string) => file.endsWith("engineRestart.test.ts");
const slow = chosen.filter((file) => isSlow(file) && !isAlone(file));
const quick = chosen.filter((file) => !isSlow(file));

/** Builds images that are missing, with its progress to be seen; what is there costs nothing. */
function build(args: readonly string[], settings: Readonly<Record<string, string>>): void {
  const entry = ["--import", "./scripts/commands/start.mjs", "scripts/commands/images.ts", "build"];
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
if (runs(/real.(letta|adopt)/)) {
  for (const version of isLong ? ["0.15.1", "0.16.7"] : ["0.15.1"])
    build(["letta"], { LETTA_VERSION: version });
}
// Collectors with the parts that ClickHouse and Datadog need, and the newest one.
if (
  runs(/real.(backends|canary|configurations|delivery|doctor|firstSink|grafana|newest|telemetry)/)
) {
  const clickHouse = {
    CLICKHOUSE_ENDPOINT: "http://127.0.0.1:8123",
    CLICKHOUSE_PASSWORD: "made-up-for-the-build",
  };
  build(["collector"], clickHouse);
  build(["collector"], { ...clickHouse, DD_API_KEY: "made-up-for-the-build" });
  build(["collector"], { ...clickHouse, OTEL_VERSION: "0.161.0" });
}

/** What takes minutes comes first, for no lane to be left alone with it at the end. */
const longest = ["letta", "exits", "killed", "faults", "up", "strategies", "mutants", "canary"];
const rank = (file: string) => {
  const place = longest.indexOf(basename(file, ".test.ts"));
  return place === -1 ? longest.length : place;
};

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

const failed: string[] = [];
/** What the failed ones came to, once more for the end: anyone who looks has minutes of others' lines above. */
const failures: string[] = [];
/** Runs one file after the other, and shows what each wrote when it has ended. */
async function lane(queue: string[]): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const started = performance.now();
    process.stdout.write(`… ${file}\n`);
    const { isGood, written } = await run([file], within(25), false);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stdout.write(`${isGood ? "✔" : "✖"} ${file}, ${seconds} s\n${written.toString()}`);
    if (isGood) continue;
    failed.push(file);
    failures.push(...written.toString().split("✖ failing tests:\n").slice(1));
  }
}

// A file that hangs is ended and named, rather than that all the rest waits for it.
const within = (minutes: number) => ["--test-force-exit", `--test-timeout=${minutes * 60_000}`];
if (quick.length > 0) {
  const { isGood } = await run(quick, ["--test-concurrency=2", ...within(2)], true);
  if (!isGood) failed.push("what needs no engine");
}
// One lane a core: more of them made timings fail on a busy machine, and saved nothing.
const queue = slow.toSorted((one, other) => rank(one) - rank(other));
await Promise.all([1, 2].map(() => lane(queue)));
const alone = chosen.filter(isAlone);
const others = alone.length > 0 && requested.length === 0 ? othersOnEngine() : [];
if (others.length === 0) await lane(alone);
else {
  process.stdout.write(
    `not run: ${alone.join(", ")} ends the engine, and with it ${others.join(", ")}\n` +
      "  all the same: END_ENGINE=true npm test -- real/engineRestart\n",
  );
}
if (chosen.length === 0) process.stderr.write(`no test file matches ${requested.join(", ")}\n`);
if (!isLong && requested.length === 0)
  process.stdout.write(
    `left to npm run test:long: ${deep.join(", ")}; more of letta, exits, killed and faults\n`,
  );
process.stderr.write(failures.join(""));
if (failed.length > 0) process.stderr.write(`failed: ${failed.join(", ")}\n`);
process.exitCode = chosen.length > 0 && failed.length === 0 ? 0 : 1;
