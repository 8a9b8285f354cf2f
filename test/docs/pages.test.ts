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

test("the README has at most 900 words, and the documents use the field's words", () => {
  const words =
    read("README.md")
      .replace(/```[\s\S]*?```/gu, "")
      .match(/\S+/gu) ?? [];
  assert.ok(words.length <= 900, `${words.length} words`);
  const pages = [
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    ...globSync("docs/*.md", { cwd: root }),
  ];
  const own = /whoever|somebody|nobody|\blet in\b|the door\b|ways? back|so it is with|the house/giu;
  // What commands say of themselves is theirs.
  const found = pages
    .filter((page) => !page.endsWith("commands.md") && !page.endsWith("settings.md"))
    .flatMap((page) => [...read(page).matchAll(own)].map((match) => `${page}: ${match[0]}`));
  assert.deepEqual(found, []);
});
