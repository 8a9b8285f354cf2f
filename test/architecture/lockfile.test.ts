import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, "..", "..");
const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Record<string, Entry>;
};

test("the lock file names every platform's packages, or `npm ci` refuses it", () => {
  // A registry that carries only some platforms makes `npm install` drop the others silently.
  const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.keys(path === "" ? {} : (entry.optionalDependencies ?? {})).filter(
      (name) =>
        !(`node_modules/${name}` in lock.packages) &&
        !(`${path}/node_modules/${name}` in lock.packages),
    ),
  );
  assert.deepEqual(missing, []);
});

test("the lock file records no registry's host", () => {
  const hosts = Object.values(lock.packages).flatMap((entry) =>
    entry.resolved?.startsWith("http") ? [entry.resolved] : [],
  );
  assert.deepEqual(hosts, []);
});

test("what we depend on is pinned exactly", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
    string,
    Record<string, string>
  >;
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"]) {
    for (const [name, version] of Object.entries(manifest[kind] ?? {}))
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
  }
});
