// `npm test`: everything. First what needs no engine, then, on the real parts, one suite
// after the other: they share the machine's ports and its two cores.
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const wanted = process.argv.slice(2);
const all = globSync("test/**/*.test.ts", { cwd: root }).sort();
const chosen = all.filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)));
const real = chosen.filter((file) => file.startsWith(join("test", "real")));
const pure = chosen.filter((file) => !real.includes(file));

let failed = false;
for (const [files, flags] of [
  [pure, []],
  [real, ["--test-concurrency=1"]],
] as const) {
  if (files.length === 0) continue;
  const { status } = spawnSync(process.execPath, ["--test", ...flags, ...files], { cwd: root, stdio: "inherit" });
  failed ||= status !== 0;
}
if (chosen.length === 0) process.stderr.write(`no test file matches ${wanted.join(", ")}\n`);
process.exitCode = failed || chosen.length === 0 ? 1 : 0;
