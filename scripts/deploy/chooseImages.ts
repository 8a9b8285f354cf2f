import { chooseImage, type ImageChoice, type ImageQuestion } from "../docker/chooseImage.ts";
import { contentTag } from "../docker/contentTag.ts";
import { officialReference, repositoryOf } from "../docker/officialReference.ts";
import { recipes, type Recipe } from "../docker/recipes.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";

/** The images of a stack: the reference of each by its setting, and each one's id. */
export interface Images {
  readonly bySetting: ReadonlyMap<string, string>;
  readonly idByReference: ReadonlyMap<string, string>;
  /** What each was called when it was chosen, and by what digest a registry knows it, by its id. */
  readonly known?: ReadonlyMap<
    string,
    { readonly name: string; readonly repoDigest: string | null }
  >;
}

/** What obtainImages would do now, without doing it. */
export async function chooseImages(
  settings: Settings,
  needed: readonly string[],
  context: Context,
): Promise<Images & { readonly choices: readonly ImageChoice[] }> {
  const requested = recipes(settings.environment, settings.lookup).filter((one) =>
    needed.includes(one.setting),
  );
  const questions = await Promise.all(
    requested.map((recipe) => imageQuestion(settings, recipe, context)),
  );
  const choices = questions.map(chooseImage);
  const bySetting = new Map(
    choices.map((one, index) => [requested[index]!.setting, one.reference]),
  );
  const found = await Promise.all(choices.map((one) => context.engine.image(one.reference)));
  const idByReference = new Map(
    choices.flatMap((one, index) =>
      found[index] ? [[one.reference, found[index].id] as const] : [],
    ),
  );
  return { choices, bySetting, idByReference };
}

/** What decides where a role's image comes from, as it is now. */
export async function imageQuestion(
  settings: Settings,
  recipe: Recipe,
  context: Context,
): Promise<ImageQuestion> {
  const official = officialReference(
    settings.get(recipe.setting as "LETTA_IMAGE"),
    recipe.officialVersion,
  );
  const local = contentTag(settings.root, recipe);
  const [officialImage, localImage] = await Promise.all([
    context.engine.image(official),
    context.engine.image(local),
  ]);
  return {
    role: recipe.role,
    mode: settings.get("IMAGE_SOURCE") as ImageQuestion["mode"],
    official,
    local,
    officialPresent: officialImage !== undefined,
    localPresent: localImage !== undefined,
    registry: undefined,
    onlyLocal: recipe.target === "development",
    isOwn: repositoryOf(official) !== recipe.repository,
  };
}
