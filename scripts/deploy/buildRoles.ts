import { Problem } from "../common/problem.ts";
import { contentTag } from "../docker/contentTag.ts";
import { recipes } from "../docker/recipes.ts";
import { ensureEngine } from "./ensureEngine.ts";
import type { Context } from "../state/context.ts";
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
  context: Context,
): Promise<BuiltRole[]> {
  const all = recipes(settings.environment, settings.lookup);
  const requested = all.filter((one) =>
    role === undefined ? one.role !== "grafana" : one.role === role,
  );
  if (requested.length === 0) {
    throw new Problem(
      "USAGE",
      `expected one of ${all.map((one) => one.role).join(", ")}, got ${role}`,
    );
  }
  await ensureEngine(context);
  const tagged = await Promise.all(
    requested.map(async (recipe) => {
      const reference = contentTag(settings.root, recipe);
      const present = (await context.engine.image(reference)) !== undefined;
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
  if (missing.length > 0) await buildImages(settings, requested, missing, context);
  return tagged.map(({ role: name, reference, present }) => ({
    role: name,
    reference,
    built: !present,
  }));
}
