import { createHash } from "node:crypto";
import type { LabelParts } from "../../../scripts/stack/renderStack.ts";

const secret = "LETTA_PG_PASSWORD";

/** All that the labels of a stack come from, as a key; the secrets of a run are always the same. */
export function labelKey(parts: LabelParts): string {
  const { project, environment, release, past, secretDigest, installation } = parts;
  const before = [...(past ?? [])].map(([name, one]) => [name, one.digest, one.release]);
  return JSON.stringify([
    project,
    environment,
    release,
    before,
    secretDigest?.(secret),
    installation,
  ]);
}

const digests = new Map<string, string>();

/** Short for a long text. */
export function digestOf(text: string): string {
  let digest = digests.get(text);
  if (digest === undefined) {
    if (digests.size > 3000) digests.clear();
    digests.set(text, (digest = createHash("sha256").update(text).digest("hex")));
  }
  return digest;
}
