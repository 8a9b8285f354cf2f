// `npm run faults [number …]`: the faults of the catalogue, each made for real, as a table. What
// was not made to happen is open, never passed.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { table } from "../scripts/cli/table.ts";
import { catalogue, type Fault } from "./faults/catalogue.ts";
import { numberOptions } from "./numberOptions.ts";

const root = join(import.meta.dirname, "..");
const usage = `npm run faults [-- NUMBER …]
Makes the faults of the catalogue happen, all or those named (1 to ${catalogue.length}), and says what became of each.`;
const { rest: asked } = numberOptions(usage, {});
const unknown = asked.filter((one) => !catalogue.some(({ number }) => number === one));
if (unknown.length > 0) {
  process.stderr.write(`there is no fault ${unknown.join(", ")}\n${usage}\n`);
  process.exit(2);
}
const chosen = catalogue.filter(({ number }) => asked.length === 0 || asked.includes(number));

/** Each of a fault's tests once, whatever other faults share it. */
const done = new Map<string, boolean>();
function passes([file, name]: Fault["tests"][number]): boolean {
  const key = `${file} ${name ?? ""}`;
  const known = done.get(key);
  if (known !== undefined) return known;
  process.stderr.write(`  ${key}\n`);
  const pattern = name === undefined ? [] : [`--test-name-pattern=^${escaped(name)}`];
  const run = spawnSync(process.execPath, ["--test", ...pattern, join("test", `${file}.test.ts`)], {
    cwd: root,
    encoding: "utf8",
  });
  const passed = Number(/^ℹ pass (\d+)$/m.exec(run.stdout)?.[1] ?? 0);
  const good = run.status === 0 && passed > 0;
  if (!good) process.stderr.write(run.stdout);
  done.set(key, good);
  return good;
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

const rows = chosen.map((fault) => {
  const failed = fault.tests.filter((one) => !passes(one));
  const outcome = failed.length > 0 ? "failed" : fault.open === undefined ? "passed" : "open";
  const detail = failed.length > 0 ? failed.map((one) => one.join(": ")).join("; ") : fault.open;
  return [String(fault.number), outcome, fault.what, detail ?? ""];
});
const count = (outcome: string) => rows.filter((row) => row[1] === outcome).length;
process.stdout.write(table(rows));
process.stdout.write(
  `${count("passed")} passed, ${count("failed")} failed, ${count("open")} open of ${rows.length}\n`,
);
process.exitCode = count("failed") > 0 ? 1 : 0;
