import { Problem } from "../common/problem.ts";
import { contentTag } from "../images/contentTag.ts";
import { recipes } from "../images/recipes.ts";
import { readyEngine } from "../parts/readyEngine.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { buildImages } from "./buildImages.ts";

export interface BuiltRole {
  readonly role: string;
  readonly reference: string;
  readonly built: boolean;
}

/**
 * Builds one role of docker/, or all: what an unchanged recipe made before is left.
 * @throws Problem USAGE for a role that is not, BUILD_FAILED
 */
export async function buildRoles(
  settings: Settings,
  role: string | undefined,
  tools: Tools,
): Promise<BuiltRole[]> {
  const all = recipes(settings.environment, settings.lookup);
  const wanted = all.filter((one) =>
    role === undefined ? one.role !== "grafana" : one.role === role,
  );
  if (wanted.length === 0) {
    throw new Problem(
      "USAGE",
      `expected one of ${all.map((one) => one.role).join(", ")}, got ${role}`,
    );
  }
  await readyEngine(tools);
  const tagged = await Promise.all(
    wanted.map(async (recipe) => {
      const reference = contentTag(settings.root, recipe);
      const present = (await tools.engine.image(reference)) !== undefined;
      return {
        role: recipe.role,
        reference,
        source: "build",
        cause: "asked for",
        present,
      } as const;
    }),
  );
  const missing = tagged.filter((one) => !one.present);
  if (missing.length > 0) await buildImages(settings, wanted, missing, tools);
  return tagged.map(({ role: name, reference, present }) => ({
    role: name,
    reference,
    built: !present,
  }));
}
