import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { buildStandins } from "../rigs/standin/buildStandins.ts";
import { prodWorkspace, type ProdWorkspace } from "./prodWorkspace.ts";

/** A clone in which prod is the stand-in server, small and quick. */
export type StandinWorkspace = ProdWorkspace;

/**
 * Makes the clone, and the images where they are missing. Nothing runs yet.
 * @param name tells suites apart
 * @param firstPort the first of five ports
 * @param over settings over those of every such clone
 */
export async function standinWorkspace(
  name: string,
  firstPort: number,
  over: Readonly<Record<string, string>> = {},
): Promise<StandinWorkspace> {
  await buildStandins();
  const place = await prodWorkspace(name, firstPort, {
    IMAGES: "auto",
    LETTA_IMAGE: "letta-stack-standin",
    LETTA_VERSION: "1.0.0",
    SERVER_WAIT_SECONDS: "20",
    ...over,
  });
  const { root } = place;
  copyFileSync(join(root, "test/rigs/standin/server.yaml"), join(root, "compose/server.yaml"));
  return place;
}
