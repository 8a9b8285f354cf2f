import { spawnSync } from "node:child_process";
import { chooseProfile } from "../../../scripts/stack/fragments.ts";
import { composeConfiguration } from "../../../scripts/stack/composeConfiguration.ts";
import { contentTag } from "../../../scripts/docker/contentTag.ts";
import { recipes } from "../../../scripts/docker/recipes.ts";
import { exampleValues, lookupOf, root } from "../../stack/exampleStack.ts";

export interface Composed {
  readonly configuration: string;
  /** What the configuration names as `${NAME}` and the collector reads from its environment. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The image that this project builds for these settings. */
  readonly image: string;
}

/**
 * The collector's configuration as the tool itself composes it for an environment, from the
 * committed settings and those given, with the image that can run it.
 */
export function composed(
  environment: string,
  given: Readonly<Record<string, string>> = {},
): Composed {
  const values = new Map([...exampleValues(environment), ...Object.entries(given)]);
  const lookup = lookupOf(values);
  const recipe = recipes(environment, lookup).find(({ role }) => role === "collector")!;
  const secrets = [...values].filter(([name]) => lookup(name)?.secret);
  return {
    configuration: composeConfiguration(root, chooseProfile(environment, lookup).fragments, lookup),
    secrets: Object.fromEntries(secrets),
    image: contentTag(root, recipe),
  };
}

/** Builds a collector's image where it is not here yet. @returns its name */
export function builtCollector(given: Readonly<Record<string, string>> = {}): string {
  const { image } = composed("dev", given);
  if (isHere(image)) return image;
  const entry = ["--import", "./scripts/commands/start.mjs", "scripts/commands/images.ts"];
  const done = spawnSync(process.execPath, [...entry, "build", "collector", "--yes"], {
    cwd: root,
    env: { ...process.env, ...given },
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (done.status !== 0) throw new Error(`expected ${image} to be built, see above`);
  return image;
}

/** Whether the engine has an image. */
export function isHere(image: string): boolean {
  return spawnSync("docker", ["image", "inspect", image]).status === 0;
}
