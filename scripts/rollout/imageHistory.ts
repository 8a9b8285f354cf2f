import { Problem } from "../common/problem.ts";
import { parseHistory, type History } from "../database/history.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Tools } from "./tools.ts";

/**
 * The migrations a server's image brings, read from the image itself: 0.4 s, no database and
 * no network.
 * @throws Problem IMAGE_UNAVAILABLE where it does not tell
 */
export async function imageHistory(
  image: string,
  server: Stack["server"],
  tools: Tools,
): Promise<History> {
  const { code, stdout, stderr } = await tools.engine.run({ image, entrypoint: server.history });
  const history = parseHistory(stdout);
  if (code === 0 && history.length > 0) return history;
  throw new Problem("IMAGE_UNAVAILABLE", `${image} does not tell its migrations (exit ${code})`, {
    details: stderr.trim().split("\n").slice(-3),
    next: "npm run doctor",
  });
}
