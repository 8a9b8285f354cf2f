import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The Compose files a stack is made of, lowest first. */
export interface Parts {
  readonly sources: readonly string[];
  readonly library: readonly string[];
}

/**
 * Which files of compose/ make up an environment's stack.
 * @param externalDatabase whether LETTA_PG_URI names a database outside
 * @param proxy whether the proxy is the door
 */
export function chooseParts(environment: string, externalDatabase: boolean, proxy: boolean): Parts {
  const local = environment === "dev" || environment === "development";
  const bundled = local ? ["postgres", "postgres-open"] : ["postgres"];
  const database = externalDatabase ? ["database"] : bundled;
  const names = ["server", ...database, "collector", ...(proxy ? ["proxy"] : []), environment];
  return { sources: names.map((name) => `compose/${name}.yaml`), library: ["compose/common.yaml"] };
}

/** The settings that name images in these files: what has to be on the engine. */
export function neededImages(root: string, parts: Parts): string[] {
  const found = parts.sources.flatMap((file) =>
    [...readFileSync(join(root, file), "utf8").matchAll(/^\s+image: \$\{([A-Z_]+)\}$/gm)].map(
      (match) => match[1]!,
    ),
  );
  return [...new Set(found)];
}
