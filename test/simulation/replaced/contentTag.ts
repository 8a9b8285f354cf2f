// Stands for scripts/docker/contentTag.ts: nothing is built here.
import type { Recipe } from "../../../scripts/docker/recipes.ts";

/** A tag that no image has. */
export function contentTag(_root: string, { role }: Recipe): string {
  return `letta-stack/${role}:none`;
}

/** The same for the base. */
export function baseTag(): string {
  return "letta-stack/base:none";
}
