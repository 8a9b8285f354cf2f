import { Problem } from "../common/problem.ts";
import { releasesNewestFirst, type Release } from "../state/releases.ts";

/** How many an unknown one is answered with. */
const mostListed = 15;

/**
 * The release to go back to. Without a wish the good one before what serves: a second
 * rollback goes further back, and where there is nothing further, takes the rollback back.
 * @param requested an id, or a server's tag: the newest good release of it
 * @throws Problem RELEASE_UNKNOWN with what there is
 */
export function chooseRelease(
  directory: string,
  requested: string | undefined,
  environment: string,
): Release {
  const releases = releasesNewestFirst(directory);
  const seen: Release[] = [];
  let present: Release | undefined;
  let otherContent: Release | undefined;
  for (const release of releases) {
    seen.push(release);
    if (release.outcome !== "good") continue;
    if (requested !== undefined) {
      if (release.id === requested || release.tag === requested) return release;
      continue;
    }
    present ??= release;
    if (contentOf(release) < contentOf(present)) return release;
    if (contentOf(release) !== contentOf(present)) otherContent ??= release;
  }
  if (requested === undefined && otherContent !== undefined) return otherContent;
  const what =
    requested === undefined
      ? "expected a good release before the present one, got none"
      : `expected a good release of ${environment} with the id or tag ${requested}, got none`;
  throw new Problem("RELEASE_UNKNOWN", what, {
    details: seen.slice(0, mostListed).map((one) => `${one.id} ${one.tag} ${one.outcome}`),
    next: `npm run releases -- ${environment}`,
  });
}

/** The release a content was first deployed as. */
function contentOf(release: Release): string {
  return release.restores ?? release.id;
}
