import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Problem } from "../common/problem.ts";
import { type History, parseHistory, sameRevisions } from "../database/revisions.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { writeFile } from "../state/writeFile.ts";

/** Where the result is cached, and whether more may be read. */
interface HistoryPlace {
  /** The environment's state directory. */
  readonly directory: string;
  readonly keeps: boolean;
}

/**
 * The migrations a server's image brings, read from the image itself: 0.4 s, no database and
 * no network. An id stands for the same bytes for ever, so it is read once.
 * @param image its id
 * @throws Problem IMAGE_UNAVAILABLE where it does not tell
 */
export async function imageHistory(
  image: string,
  server: Stack["server"],
  { directory, keeps }: HistoryPlace,
  context: Context,
): Promise<History> {
  const id = /^sha256:([0-9a-f]{64})$/.exec(image)?.[1];
  const path = join(directory, "histories", `${id}.tsv`);
  if (id !== undefined && existsSync(path)) {
    const retained = parseHistory(readFileSync(path, "utf8"));
    if (retained.length > 0) return retained;
  }
  const { code, stdout, stderr } = await context.engine.run({ image, entrypoint: server.history });
  const history = parseHistory(stdout);
  if (code !== 0 || history.length === 0) {
    throw new Problem("IMAGE_UNAVAILABLE", `${image} does not tell its migrations (exit ${code})`, {
      details: stderr.trim().split("\n").slice(-3),
      next: "npm run doctor",
    });
  }
  if (keeps && id !== undefined) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFile(path, stdout);
  }
  return history;
}

/**
 * Whether the server that serves is of another schema than a new one, or may be: two such servers must
 * not be on one database at once, whatever each does there alone.
 * @param present its release; undefined where its state was lost
 * @param heads what the new one's image leads to
 */
export function otherHeads(present: Release | undefined, heads: readonly string[]): boolean {
  return present === undefined || !sameRevisions(present.heads, heads);
}
