import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { commandsPage, settingsPage } from "./pages.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

test("the generated pages are as the definitions and commands say (npm run docs)", async () => {
  assert.equal(read("docs/settings.md"), settingsPage());
  assert.equal(read("docs/commands.md"), await commandsPage());
});

test("every link in the documents leads to a file", () => {
  const pages = ["README.md", "CONTRIBUTING.md", ...globSync("docs/*.md", { cwd: root })];
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/gu)]
      .map((match) => join(root, dirname(page), match[1]!))
      .filter((path) => !existsSync(path))
      .map((path) => `${page}: ${path}`),
  );
  assert.deepEqual(broken, []);
});

test("every source file that the documents name exists", () => {
  const files = globSync("{scripts,test,compose,otel}/**/*", { cwd: root });
  const missing = ["CONTRIBUTING.md", "docs/architecture.md"].flatMap((page) => {
    const names = [...read(page).matchAll(/`([\w./-]+\.(?:ts|mjs|yaml|py))`/gu)].map(
      (one) => one[1]!,
    );
    assert.ok(names.length > 5, `${page}: its files are not where this test looks for them`);
    return names
      .filter((name) => !files.some((file) => `/${file}`.endsWith(`/${name}`)))
      .map((name) => `${page}: ${name}`);
  });
  assert.deepEqual(missing, []);
});

test("the README has at most 900 words", () => {
  const words =
    read("README.md")
      .replace(/```[\s\S]*?```/gu, "")
      .match(/\S+/gu) ?? [];
  assert.ok(words.length <= 900, `${words.length} words`);
});
