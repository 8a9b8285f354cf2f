// `npm test`: everything. First what needs no engine, then, on the real parts, one suite
// after the other: they share the machine's ports and its two cores.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const all = globSync("test/**/*.test.ts", { cwd: root }).sort();
const chosen = all.filter(
  (file) => wanted.length === 0 || wanted.some((part) => file.includes(part)),
);
const real = chosen.filter((file) => file.startsWith(join("test", "real")));
const pure = chosen.filter((file) => !real.includes(file));

// Brings the engine up where it is missing, and builds what the suites run: once, with its
// progress to be seen, rather than inside the first test that needs it.
if (chosen.some((file) => /test.(real|stack)./.test(file))) {
  const entry = ["--import", "./scripts/cli/start.mjs", "scripts/images.ts", "build", "--yes"];
  const { status } = spawnSync(process.execPath, entry, {
    cwd: root,
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) process.exit(status ?? 1);
}

// The past releases that the story on real Letta goes through.
for (const version of chosen.some((file) => file.includes("real/letta"))
  ? ["0.15.1", "0.16.7"]
  : []) {
  const entry = [
    "--import",
    "./scripts/cli/start.mjs",
    "scripts/images.ts",
    "build",
    "letta",
    "--yes",
  ];
  spawnSync(process.execPath, entry, {
    cwd: root,
    env: { ...process.env, LETTA_VERSION: version },
    stdio: ["ignore", "ignore", "inherit"],
  });
}

let failed = false;
for (const [files, flags] of [
  [pure, []],
  [real, ["--test-concurrency=1"]],
] as const) {
  if (files.length === 0) continue;
  const { status } = spawnSync(process.execPath, ["--test", ...flags, ...files], {
    cwd: root,
    stdio: "inherit",
  });
  failed ||= status !== 0;
}
if (chosen.length === 0) process.stderr.write(`no test file matches ${wanted.join(", ")}\n`);
process.exitCode = failed || chosen.length === 0 ? 1 : 0;
