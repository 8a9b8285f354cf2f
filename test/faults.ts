// `npm run faults [number …]`: the faults of the catalogue, each made for real, as a table. What
// was not made to happen is open, never passed.
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { run } from "node:test";
import { table } from "../scripts/commands/table.ts";
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

/** Which tests of a file are meant, by their names' beginnings; no name stands for all. */
const meant = new Map<string, (string | undefined)[]>();
for (const [file, name] of chosen.flatMap((one) => one.tests))
  meant.set(file, [...(meant.get(file) ?? []), name]);

process.env["TEST_LONG"] = "1";

/** What became of each test by its name: a file's all in one go, as they share what they run on. */
async function outcomes(file: string): Promise<Map<string, boolean>> {
  const names = meant.get(file)!;
  const all = names.includes(undefined);
  process.stderr.write(`  ${file}: ${all ? "all" : [...new Set(names)].join(", ")}\n`);
  const passed = new Map<string, boolean>();
  const events = run({
    files: [join(root, "test", `${file}.test.ts`)],
    cwd: root,
    timeout: 30 * 60_000,
    ...(all ? {} : { testNamePatterns: names.map((one) => new RegExp(`^${escaped(one!)}`)) }),
  });
  events.on("test:pass", ({ name }) => passed.set(name, passed.get(name) ?? true));
  events.on("test:fail", ({ name, details }) => {
    passed.set(name, false);
    process.stderr.write(`  ✖ ${name}\n${String(details.error.cause ?? details.error)}\n`);
  });
  await finished(events.resume());
  return passed;
}

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");

const seen = new Map<string, Map<string, boolean>>();
for (const file of meant.keys()) seen.set(file, await outcomes(file));

function passes([file, name = ""]: Fault["tests"][number]): boolean {
  const own = [...seen.get(file)!].filter(([one]) => one.startsWith(name));
  return own.length > 0 && own.every(([, isGood]) => isGood);
}

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
