import { Problem } from "../common/problem.ts";
import type { Settings } from "./readSettings.ts";

/**
 * The settings that are missing only because the process environment does not count: with one of these named
 * by --from-env, less is missing.
 * @param ignored names of settings that the process environment has in vain
 * @param read the settings, whatever is missing, with this name counted too
 * @returns none where the settings cannot be read for another reason
 */
export function ignoredCures(
  ignored: readonly string[],
  read: (name?: string) => Pick<Settings, "missing">,
): string[] {
  if (ignored.length === 0) return [];
  const missing = (name?: string) => {
    try {
      return read(name).missing.length;
    } catch (error) {
      if (error instanceof Problem) return Infinity;
      throw error;
    }
  };
  const now = missing();
  if (now === 0 || now === Infinity) return [];
  return ignored.filter((name) => missing(name) < now);
}
