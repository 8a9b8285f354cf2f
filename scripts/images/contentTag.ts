import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { baseRole, type Recipe } from "./recipes.ts";

/**
 * A tag that says what an image was built from: the recipe's files, its arguments, its
 * target and the base below. Nothing changed means the same tag, so nothing is built.
 * @returns such as letta-stack/postgres:17-1f5160fad8f7
 */
export function contentTag(root: string, recipe: Recipe): string {
  const hash = folderHash(root, recipe.role);
  hash.update(JSON.stringify([recipe.arguments, recipe.target ?? "", baseTag(root)]));
  return `letta-stack/${recipe.role}:${recipe.version}-${hash.digest("hex").slice(0, 12)}`;
}

/** The base image's tag, by the content of its script. */
export function baseTag(root: string): string {
  return `letta-stack/${baseRole}:trixie-${folderHash(root, baseRole).digest("hex").slice(0, 12)}`;
}

function folderHash(root: string, role: string) {
  const folder = join(root, "docker", role);
  const hash = createHash("sha256");
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const path = join(folder, file);
    if (statSync(path).isFile()) hash.update(`${file}\0`).update(readFileSync(path)).update("\0");
  }
  return hash;
}
