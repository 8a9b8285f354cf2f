import { Problem } from "../common/problem.ts";
import type { Release } from "../state/release.ts";

/**
 * A release that serves, and whose checks fail as the server failed before the run: its end. It stays,
 * as a rollback would end the same way and what failed before does not count against it. But exit 0
 * means that what runs was verified, and it was not: so the run ends with 5, whether
 * --despite-failures was given or not. That flag answers whether to begin, not how it went.
 * @param failing the checks, "name: detail"
 */
export function unverifiedRelease(
  { id, tag, environment }: Pick<Release, "id" | "tag" | "environment">,
  failing: readonly string[],
): Problem {
  return new Problem(
    "UNCHANGED_FAILURES",
    `release ${id} (${tag}) runs, unchanged failures: ${failing.length} checks fail as the server failed before`,
    {
      details: [...failing, "nothing was rolled back, as the server before failed in the same way"],
      next: `npm run verify -- ${environment ?? ""}`,
    },
  );
}
