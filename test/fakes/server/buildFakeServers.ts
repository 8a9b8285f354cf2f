import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { buildImage } from "../../../scripts/docker/buildImage.ts";
import { baseTag } from "../../../scripts/docker/contentTag.ts";
import versions from "./versions.json" with { type: "json" };

export type FakeServerVersion = keyof typeof versions;

const root = join(import.meta.dirname, "..", "..", "..");
const ingredients = ["Dockerfile", "*.py", "versions.json", "revisions/*.py"];

/**
 * Has the fake server server's images on the engine, as letta-stack-fake-server:<version>. An image
 * that was built from the same files is left as it is; its label says what it was built from.
 * @param requested all of versions.json unless reported
 * @throws Problem BUILD_FAILED, also where the base image is missing
 */
export async function buildFakeServers(
  requested: readonly FakeServerVersion[] = Object.keys(versions) as FakeServerVersion[],
): Promise<void> {
  const base = baseTag(root);
  const hash = createHash("sha256").update(base);
  for (const file of globSync(ingredients, { cwd: import.meta.dirname }).sort()) {
    hash.update(`\0${file}\0`).update(readFileSync(join(import.meta.dirname, file)));
  }
  const content = hash.digest("hex").slice(0, 12);
  const present = labels(requested.map((version) => `letta-stack-fake-server:${version}`));
  for (const version of requested.filter((one) => !present.includes(`${one} ${content}`))) {
    const request = {
      folder: import.meta.dirname,
      tag: `letta-stack-fake-server:${version}`,
      target: undefined,
      arguments: { BASE: base, VERSION: version, CONTENT: content },
      secretFiles: {},
      secretTexts: {},
    };
    // One after the other: all layers but the last two are the first one's.
    await buildImage(process.env, request, () => undefined, new AbortController().signal);
  }
}

/** What the images that are there say they were built from. */
function labels(references: readonly string[]): string[] {
  const format = '{{index .Config.Labels "letta-stack.fake-server"}}';
  const said = spawnSync("docker", ["image", "inspect", "--format", format, ...references]);
  return said.stdout.toString().split("\n");
}
