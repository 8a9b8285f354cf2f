import { Problem } from "../common/problem.ts";
import type { Recipe } from "./recipes.ts";

/**
 * Refuses to build what docker/<role>/ has no source of; its official image may still serve
 * where one can be pulled.
 * @throws Problem IMAGE_UNAVAILABLE naming the versions that can be built
 */
export function assertBuildable({ role, unbuildable }: Recipe): void {
  if (unbuildable === undefined) return;
  throw new Problem("IMAGE_UNAVAILABLE", `${role} cannot be built here: ${unbuildable}`, {
    next: "make an image registry reachable, or ask for what can be built",
  });
}
