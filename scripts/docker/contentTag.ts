import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { baseRole, type Recipe } from "./recipes.ts";

/**
 * A tag that says what an image was built from: the recipe's files, its arguments, its
 * target and the base below. Nothing changed means the same tag, so nothing is built.
 * What only other versions of the same part are built from does not count.
 * @returns such as letta-stack/postgres:17-1f5160fad8f7
 */
export function contentTag(root: string, recipe: Recipe): string {
  const others = (recipe.sources ?? []).filter((one) => one !== recipe.officialVersion);
  const hash = folderHash(root, recipe.role, others);
  hash.update(JSON.stringify([recipe.arguments, recipe.target ?? "", baseTag(root)]));
  return `letta-stack/${recipe.role}:${recipe.version}-${hash.digest("hex").slice(0, 12)}`;
}

/** The base image's tag, by the content of its script. */
export function baseTag(root: string): string {
  return `letta-stack/${baseRole}:trixie-${folderHash(root, baseRole).digest("hex").slice(0, 12)}`;
}

/** @param without folders below the role's own that are left out */
function folderHash(root: string, role: string, without: readonly string[] = []) {
  const folder = join(root, "docker", role);
  const hash = createHash("sha256");
  if (!existsSync(folder)) return hash; // nothing is built of it
  for (const file of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    if (without.includes(file.split(sep)[0] ?? "")) continue;
    const path = join(folder, file);
    if (statSync(path).isFile()) hash.update(`${file}\0`).update(readFileSync(path)).update("\0");
  }
  return hash;
}
