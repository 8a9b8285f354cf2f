import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, sources, target, type SourceFile } from "./sources.ts";

/** Lowest first: a room may import itself and what is below it. */
const floors = [
  "common",
  "settings",
  "collector",
  "stack",
  "images",
  "engine",
  "database",
  "verification",
  "diagnosis",
  "ledger",
  "parts",
  "preparation",
  "cutover",
  "proof",
  "reports",
  "localCollector",
  "rollout",
  "doctor",
  "cli",
  "entries",
];

/** Who may import what; packages that are not here are free. */
const importers: Readonly<Record<string, readonly string[]>> = {
  dotenv: ["settings"],
  yaml: ["collector", "stack"],
  dockerode: ["engine"],
  "docker-compose": ["engine"],
  "node:child_process": ["engine"],
  zx: ["engine", "cli", "entries"],
  "@opentelemetry/api": ["cli"],
  "@opentelemetry/core": ["cli"],
  "@opentelemetry/exporter-trace-otlp-proto": ["cli"],
  "@opentelemetry/resources": ["cli"],
  "@opentelemetry/sdk-trace": ["cli"],
  "node:process": [],
};

/** Clocks that a file may read itself, and why they are no argument there. */
const clocks: Readonly<Record<string, string>> = {
  "scripts/engine/keepAlive.ts":
    "a machine that slept must notice: the tool's own clock stood still",
  "scripts/verification/canary.ts": "gRPC takes its deadline as a time of day, five seconds on",
};

const files = sources();
const below = files.filter((file) => !["cli", "entries"].includes(file.room));

/** One line for each file that does it. */
function culprits(among: readonly SourceFile[], found: (file: SourceFile) => string[]): string[] {
  return among.flatMap((file) => found(file).map((what) => `${file.path}: ${what}`));
}

test("every room of scripts/ has its floor", () => {
  const rooms = new Set(files.map((file) => file.room));
  assert.deepEqual(
    [...rooms].filter((room) => !floors.includes(room)),
    [],
  );
});

test("a room only looks down", () => {
  const up = culprits(files, (file) =>
    file.imports.filter((specifier) => {
      if (!specifier.startsWith(".")) return false;
      const [top, room = ""] = target(file, specifier).split("/");
      const floor = floors.indexOf(room.endsWith(".ts") ? "entries" : room);
      return top !== "scripts" || floor > floors.indexOf(file.room);
    }),
  );
  assert.deepEqual(up, []);
});

test("each library is imported only by the rooms it belongs to", () => {
  const elsewhere = culprits(files, (file) =>
    file.imports.filter((specifier) => importers[specifier]?.includes(file.room) === false),
  );
  assert.deepEqual(elsewhere, []);
});

test("nothing below cli reads the process's environment", () => {
  const readers = culprits(below, ({ code }) =>
    /\bprocess\s*(\.|\?\.|\[")env\b/.test(code) ? ["process.env"] : [],
  );
  assert.deepEqual(readers, []);
});

test("nobody writes to the console", () => {
  assert.deepEqual(
    culprits(files, ({ code }) => code.match(/\bconsole\.\w+/g) ?? []),
    [],
  );
});

test("nothing below cli writes to the terminal or ends the process", () => {
  const writers = culprits(
    below,
    ({ code }) => code.match(/\bprocess\.(stdout|stderr|stdin|argv|exit)\b/g) ?? [],
  );
  assert.deepEqual(writers, []);
});

test("nothing below cli reads the clock or throws dice, but where it is said why", () => {
  const readers = below.filter(({ code }) =>
    /\bDate\.now\b|new Date\(\)|performance\.now|Math\.random/.test(code),
  );
  assert.deepEqual(
    readers.map((file) => file.path),
    Object.keys(clocks),
  );
});

test("every export has a name", () => {
  assert.deepEqual(
    culprits(files, ({ code }) => code.match(/^export (default\b|\*).*/gm) ?? []),
    [],
  );
});

test("relative imports end in .ts and lead to a file", () => {
  const wrong = culprits(files, (file) =>
    file.imports.filter((specifier) => {
      if (!specifier.startsWith(".")) return false;
      return !specifier.endsWith(".ts") || !existsSync(join(root, target(file, specifier)));
    }),
  );
  assert.deepEqual(wrong, []);
});

test("every exported function says what it is for", () => {
  const silent = culprits(files, ({ text }) =>
    [...text.matchAll(/^(.*)\nexport (?:async )?function\*? (\w+)/gm)]
      .filter((match) => !match[1]!.trim().endsWith("*/"))
      .map((match) => match[2]!),
  );
  assert.deepEqual(silent, []);
});

test("every Problem has a code of the closed list", () => {
  const problem = files.find((file) => file.path === "scripts/common/problem.ts")!;
  const known = new Set(
    [...problem.code.matchAll(/^\s+\| "([A-Z_]+)"/gm)].map((match) => match[1]),
  );
  assert.ok(known.size > 20, "the list of codes is not where this test looks for it");
  const unknown = culprits(files, ({ code }) =>
    [...code.matchAll(/new Problem\(\s*"(\w+)"/g)]
      .map((match) => match[1]!)
      .filter((one) => !known.has(one)),
  );
  assert.deepEqual(unknown, []);
});

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

test("every npm script that names a file names one that exists", () => {
  const missing = Object.entries(scripts).flatMap(([name, line]) =>
    line
      .split(" ")
      .filter((word) => /\.(ts|mjs)$/.test(word) && !word.includes("*"))
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${name}: ${path}`),
  );
  assert.deepEqual(missing, []);
});

test("every entry is the target of an npm script", () => {
  const reachable = Object.values(scripts).join("\n");
  const lonely = files.filter(
    (file) => file.room === "entries" && !reachable.includes(`${file.path}`),
  );
  assert.deepEqual(
    lonely.map((file) => file.path),
    [],
  );
});
