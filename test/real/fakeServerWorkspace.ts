import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { buildFakeServers } from "../fakes/server/buildFakeServers.ts";
import { prodWorkspace, type ProdWorkspace } from "./prodWorkspace.ts";

/** A clone in which prod is the fake server server, small and quick. */
export type FakeServerWorkspace = ProdWorkspace;

/**
 * Makes the clone, and the images where they are missing. Nothing runs yet.
 * @param name tells suites apart
 * @param firstPort the first of five ports
 * @param over settings over those of every such clone
 */
export async function fakeServerWorkspace(
  name: string,
  firstPort: number,
  over: Readonly<Record<string, string>> = {},
): Promise<FakeServerWorkspace> {
  await buildFakeServers();
  const place = await prodWorkspace(name, firstPort, {
    IMAGE_SOURCE: "auto",
    LETTA_IMAGE: "letta-stack-fake-server",
    LETTA_VERSION: "1.0.0",
    SERVER_TIMEOUT: "20s",
    REDIS_ENABLED: "false",
    ...over,
  });
  const { root } = place;
  copyFileSync(join(root, "test/fakes/server/server.yaml"), join(root, "compose/server.yaml"));
  return place;
}
