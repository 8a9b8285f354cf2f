import { Problem } from "../common/problem.ts";
import { contentTag } from "../docker/contentTag.ts";
import { registryOf } from "../docker/pullImage.ts";
import {
  chooseImage,
  type ImageChoice,
  type ImageQuestion,
  officialReference,
  type Recipe,
  recipes,
  repositoryOf,
} from "../docker/recipes.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { buildImages } from "./buildImages.ts";

/**
 * Has every image on the engine that the named settings stand for: present, pulled, or built.
 * @param needed settings such as LETTA_IMAGE
 * @throws Problem IMAGE_UNAVAILABLE, BUILD_FAILED, DISK_TOO_SMALL
 */
export async function obtainImages(
  settings: Settings,
  needed: readonly string[],
  context: Context,
): Promise<Images> {
  const requested = recipes(settings.environment, settings.lookup).filter((one) =>
    needed.includes(one.setting),
  );
  let questions = await Promise.all(
    requested.map((recipe) => imageQuestion(settings, recipe, context)),
  );
  const pulls = questions.map(chooseImage).filter((choice) => choice.source === "pull");
  if (pulls.length > 0) {
    const failed = await pullAll(pulls, context);
    const mayBuild = (one: FailedPull) =>
      settings.get("IMAGE_SOURCE") === "auto" &&
      isWithoutRegistry(one.words) &&
      !questions.some(({ role, isOwn }) => role === one.role && isOwn);
    const final = failed.filter((one) => !mayBuild(one));
    if (final.length > 0) throw pullProblem(final, requested);
    if (failed.length > 0) {
      const why = failed[0]!.words.split(": ").at(-1)?.trim();
      context.reporter.note(`no image registry answers (${why}): building from docker/ instead`);
      // Some may have come all the same: a private registry next to one that does not answer.
      questions = await Promise.all(
        requested.map((recipe) => imageQuestion(settings, recipe, context)),
      );
      questions = questions.map((one) => ({ ...one, registry: false }));
    }
  }
  const builds = questions.map(chooseImage).filter((choice) => choice.source === "build");
  if (builds.length > 0) await buildImages(settings, requested, builds, context);
  return described(requested, questions.map(chooseImage), context);
}

interface FailedPull {
  readonly role: string;
  readonly reference: string;
  /** The engine's own. */
  readonly words: string;
}

/** Of the network, or of a gateway that stands for a registry. */
const noAnswer =
  /no such host|connection refused|network is unreachable|no route to host|timeout|deadline exceeded|server misbehaving|temporary failure|proxyconnect|connection reset|\bEOF\b|certificate|\b50[23] [A-Z]/i;

/**
 * Whether a pull failed as no registry answers. One that refuses says denied, not found, unauthorized or
 * toomanyrequests, and is no reason to build.
 * @param words the engine's own
 */
export function isWithoutRegistry(words: string): boolean {
  return noAnswer.test(words) && !cures.some(([refusal]) => refusal.test(words));
}

const cures: readonly (readonly [RegExp, (pull: FailedPull, setting: string) => string])[] = [
  [
    /denied|unauthorized|authentication required|no basic auth|forbidden/i,
    ({ reference }) => `docker login ${registryOf(reference)}`,
  ],
  [
    /toomanyrequests|rate limit/i,
    ({ reference }) =>
      `docker login ${registryOf(reference)}   (a login has a higher limit), or build here with IMAGE_SOURCE=local`,
  ],
  [
    /not found|manifest unknown|no matching manifest/i,
    ({ reference }, setting) => `set ${setting} to an image that exists; docker pull ${reference}`,
  ],
];

function pullProblem(failed: readonly FailedPull[], requested: readonly Recipe[]): Problem {
  const full = failed.find((one) => one.words.includes("no space left on device"));
  if (full !== undefined) return new Problem("DISK_TOO_SMALL", `${full.reference}: ${full.words}`);
  const first = failed[0]!;
  const { setting } = requested.find((one) => one.role === first.role)!;
  const cure = cures.find(([words]) => words.test(first.words))?.[1];
  return new Problem("IMAGE_UNAVAILABLE", "some images could not be pulled", {
    details: failed.map((one) => `${one.reference}: ${one.words}`),
    next:
      cure?.(first, setting) ??
      `docker pull ${first.reference}, or build here with IMAGE_SOURCE=local`,
  });
}

/** @returns those that could not be pulled */
async function pullAll(
  choices: readonly ImageChoice[],
  context: Context,
): Promise<readonly FailedPull[]> {
  return context.reporter.step(
    `pull ${choices.map((one) => one.role).join(", ")}`,
    async (report) => {
      const progress = new Map<string, string>();
      const results = await Promise.allSettled(
        choices.map((choice) =>
          context.engine.pull(
            choice.reference,
            (text) => {
              progress.set(choice.role, text);
              report([...progress].map(([role, far]) => `${role} ${far}`).join(" · "));
            },
            context.signal,
          ),
        ),
      );
      context.signal.throwIfAborted();
      return results.flatMap((one, index) => {
        if (one.status === "fulfilled") return [];
        const words = String((one.reason as Error).message).split("\n")[0]!;
        const { role, reference } = choices[index]!;
        return [{ role, reference, words }];
      });
    },
    (failed) => (failed.length === 0 ? "" : `${failed.length} failed`),
  );
}

async function described(
  requested: readonly Recipe[],
  choices: readonly ImageChoice[],
  context: Context,
): Promise<Images> {
  const bySetting = new Map<string, string>();
  const idByReference = new Map<string, string>();
  const known = new Map<string, { name: string; repoDigest: string | null }>();
  const platform = await context.engine.platform();
  for (const { role, reference, source } of choices) {
    const { setting } = requested.find((one) => one.role === role)!;
    bySetting.set(setting, reference);
    const image = await context.engine.image(reference);
    if (image === undefined) {
      throw new Problem("IMAGE_UNAVAILABLE", `${reference} is not on the engine`, {
        next: "npm run images -- build " + role,
      });
    }
    if (image.platform !== platform) {
      // A registry that has the right one by then is asked again.
      if (source === "pull") await context.engine.untag(reference);
      throw new Problem(
        "IMAGE_UNAVAILABLE",
        `${reference}: expected an image for ${platform}, got one for ${image.platform}`,
        { next: `set ${setting} to one for ${platform}, or build it here with IMAGE_SOURCE=local` },
      );
    }
    idByReference.set(reference, image.id);
    known.set(image.id, { name: reference, repoDigest: image.digests[0] ?? null });
  }
  return { bySetting, idByReference, known };
}

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

/** Where the names of our own begin that keep a release's images on the engine. */
export function retainedPrefix(project: string): string {
  return `letta-stack/retained:${project}-`;
}

/**
 * The same images by their ids: what a tag means tomorrow does not matter any more. One that
 * is not here yet stays under its reference. Compose takes `image: sha256:<id>` (2.40.3).
 */
export function pinned(images: Images): Images {
  const bySetting = new Map(
    [...images.bySetting].map(([setting, reference]) => [
      setting,
      images.idByReference.get(reference) ?? reference,
    ]),
  );
  const ids = [...images.idByReference.values()].map((id) => [id, id] as const);
  return { ...images, bySetting, idByReference: new Map([...images.idByReference, ...ids]) };
}

/**
 * Gives every image of a release a name of our own: it stays when all others are taken away. One
 * that has it is left alone: `docker tag` writes to the engine's disk (`lastUpdated`) all the same, and fails where
 * it is full; such an engine still restarts containers and runs commands in them.
 */
export async function keepImages(
  settings: Settings,
  imageIds: Iterable<string>,
  context: Context,
): Promise<void> {
  const retained = await context.engine.tagged(retainedPrefix(settings.project));
  const isRetained = (id: string) =>
    retained.some((one) => one.id === id && one.reference === retainedName(settings.project, id));
  await Promise.all(
    [...new Set(imageIds)]
      .filter((id) => !isRetained(id))
      .map((id) => context.engine.tag(id, retainedName(settings.project, id))),
  );
}

/** Such as letta-stack/retained:letta-prod-2e1a455d8390. */
export function retainedName(project: string, imageId: string): string {
  return `${retainedPrefix(project)}${imageId.replace("sha256:", "").slice(0, 12)}`;
}
