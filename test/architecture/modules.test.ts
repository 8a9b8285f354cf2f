import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root, sources, target, type SourceFile } from "./sources.ts";

/** Lowest first: a module may import itself and what is below it. */
const layers = [
  "common",
  "settings",
  "stack",
  "docker",
  "database",
  "state",
  "checks",
  "deploy",
  "commands",
  "entries",
];

/** Who may import what; packages that are not here are free. */
const importers: Readonly<Record<string, readonly string[]>> = {
  dotenv: ["settings"],
  yaml: ["stack"],
  dockerode: ["docker"],
  "docker-compose": ["docker"],
  "node:child_process": ["docker"],
  zx: ["docker", "commands", "entries"],
  "@opentelemetry/api": ["commands"],
  "@opentelemetry/core": ["commands"],
  "@opentelemetry/exporter-trace-otlp-proto": ["commands"],
  "@opentelemetry/resources": ["commands"],
  "@opentelemetry/sdk-trace": ["commands"],
  "node:process": [],
};

/** Clocks that a file may read itself, and why they are no argument there. */
const clocks: Readonly<Record<string, string>> = {
  "scripts/checks/canary.ts": "gRPC takes its deadline as a time of day, five seconds on",
  "scripts/docker/keepAlive.ts":
    "a machine that slept must notice: the tool's own clock stood still",
};

const files = sources();
/** The command line itself: the files directly in commands/, and the program. */
const isCommandLine = ({ path }: SourceFile) => /^scripts\/(?:commands\/)?[^/]+$/.test(path);
const below = files.filter((file) => !isCommandLine(file));

/** One line for each file that does it. */
function culprits(among: readonly SourceFile[], found: (file: SourceFile) => string[]): string[] {
  return among.flatMap((file) => found(file).map((what) => `${file.path}: ${what}`));
}

test("every folder of scripts/ is one of the modules", () => {
  const modules = new Set(files.map((file) => file.module));
  assert.deepEqual(
    [...modules].filter((module) => !layers.includes(module)),
    [],
  );
});

test("a module imports only itself and modules below it", () => {
  const up = culprits(files, (file) =>
    file.imports.filter((specifier) => {
      if (!specifier.startsWith(".")) return false;
      const [top, module = ""] = target(file, specifier).split("/");
      const layer = layers.indexOf(module.endsWith(".ts") ? "entries" : module);
      return top !== "scripts" || layer > layers.indexOf(file.module);
    }),
  );
  assert.deepEqual(up, []);
});

test("no imports form a cycle, types included", () => {
  const importsOf = new Map(
    files.map((file) => [
      file.path,
      file.imports.filter((one) => one.startsWith(".")).map((one) => target(file, one)),
    ]),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const follow = (path: string, trail: readonly string[]) => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(" → "));
    if (at >= 0 || done.has(path)) return;
    for (const next of importsOf.get(path) ?? []) follow(next, [...trail, path]);
    done.add(path);
  };
  for (const path of importsOf.keys()) follow(path, []);
  assert.deepEqual(cycles, []);
});

test("each library is imported only by the modules it belongs to", () => {
  const elsewhere = culprits(files, (file) =>
    file.imports.filter((specifier) => importers[specifier]?.includes(file.module) === false),
  );
  assert.deepEqual(elsewhere, []);
});

test("nothing below commands reads the process's environment", () => {
  const readers = culprits(below, ({ code }) =>
    /\bprocess\s*(\.|\?\.|\[")env\b/.test(code) ? ["process.env"] : [],
  );
  assert.deepEqual(readers, []);
});

test("nothing writes to the console", () => {
  assert.deepEqual(
    culprits(files, ({ code }) => code.match(/\bconsole\.\w+/g) ?? []),
    [],
  );
});

test("nothing below commands writes to the terminal or ends the process", () => {
  const writers = culprits(
    below,
    ({ code }) => code.match(/\bprocess\.(stdout|stderr|stdin|argv|exit)\b/g) ?? [],
  );
  assert.deepEqual(writers, []);
});

test("nothing below commands reads the clock or throws dice, but where it is said why", () => {
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

test("every command can be reached from the program", () => {
  const program = files.find((file) => file.path === "scripts/letta-stack.ts")!;
  const commands = files.filter((file) => /^await command\(/m.test(file.code));
  assert.ok(commands.length > 15, "the commands are not where this test looks for them");
  assert.deepEqual(
    commands
      .map((file) => file.path)
      .filter((path) => !program.imports.some((one) => target(program, one) === path)),
    [],
  );
});
