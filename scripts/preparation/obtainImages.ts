import { Problem } from "../common/problem.ts";
import { chooseImage, type ImageChoice } from "../images/chooseImage.ts";
import { recipes, type Recipe } from "../images/recipes.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { buildImages } from "./buildImages.ts";
import { imageQuestion, type Images } from "./chooseImages.ts";

/**
 * Has every image on the engine that the named settings stand for: present, pulled, or built.
 * @param needed settings such as LETTA_IMAGE
 * @throws Problem IMAGE_UNAVAILABLE, BUILD_FAILED, DISK_TOO_SMALL
 */
export async function obtainImages(
  settings: Settings,
  needed: readonly string[],
  tools: Tools,
): Promise<Images> {
  const wanted = recipes(settings.environment, settings.lookup).filter((one) =>
    needed.includes(one.setting),
  );
  let questions = await Promise.all(wanted.map((recipe) => imageQuestion(settings, recipe, tools)));
  const pulls = questions.map(chooseImage).filter((choice) => choice.source === "pull");
  if (pulls.length > 0) {
    const failed = await pullAll(pulls, tools);
    const full = failed?.find((one) => one.includes("no space left on device"));
    if (full !== undefined) throw new Problem("DISK_TOO_SMALL", full);
    if (failed !== undefined && settings.get("IMAGES") === "pull") {
      throw new Problem("IMAGE_UNAVAILABLE", "not every image could be pulled", {
        details: failed,
        next: "log in to the registry, or build here with IMAGES=local",
      });
    }
    if (failed !== undefined) {
      const why = failed[0]?.split(": ").at(-1)?.trim();
      tools.say.note(`images cannot be pulled here (${why}): building from docker/ instead`);
      // Some may have come all the same: a registry of one's own beside one that is not to be had.
      questions = await Promise.all(wanted.map((recipe) => imageQuestion(settings, recipe, tools)));
      questions = questions.map((one) => ({ ...one, registry: false }));
    }
  }
  const builds = questions.map(chooseImage).filter((choice) => choice.source === "build");
  if (builds.length > 0) await buildImages(settings, wanted, builds, tools);
  return described(wanted, questions.map(chooseImage), tools);
}

/** @returns what the engine said of each that could not be pulled; undefined where all came */
async function pullAll(
  choices: readonly ImageChoice[],
  tools: Tools,
): Promise<readonly string[] | undefined> {
  return tools.say.step(
    `pull ${choices.map((one) => one.role).join(", ")}`,
    async (report) => {
      const progress = new Map<string, string>();
      const results = await Promise.allSettled(
        choices.map((choice) =>
          tools.engine.pull(
            choice.reference,
            (text) => {
              progress.set(choice.role, text);
              report([...progress].map(([role, far]) => `${role} ${far}`).join(" · "));
            },
            tools.signal,
          ),
        ),
      );
      tools.signal.throwIfAborted();
      const failed = results.flatMap((one, index) => {
        if (one.status === "fulfilled") return [];
        const words = String((one.reason as Error).message).split("\n")[0];
        return [`${choices[index]!.reference}: ${words}`];
      });
      return failed.length === 0 ? undefined : failed;
    },
    (failed) => (failed === undefined ? "" : "not to be had"),
  );
}

async function described(
  wanted: readonly Recipe[],
  choices: readonly ImageChoice[],
  tools: Tools,
): Promise<Images> {
  const bySetting = new Map<string, string>();
  const idByReference = new Map<string, string>();
  const known = new Map<string, { name: string; repoDigest: string | null }>();
  const platform = await tools.engine.platform();
  for (const { role, reference, source } of choices) {
    const { setting } = wanted.find((one) => one.role === role)!;
    bySetting.set(setting, reference);
    const image = await tools.engine.image(reference);
    if (image === undefined) {
      throw new Problem("IMAGE_UNAVAILABLE", `${reference} is not on the engine`, {
        next: "npm run images -- build " + role,
      });
    }
    if (image.platform !== platform) {
      // A registry that has the right one by then is asked again.
      if (source === "pull") await tools.engine.untag(reference);
      throw new Problem(
        "IMAGE_UNAVAILABLE",
        `${reference}: expected an image for ${platform}, got one for ${image.platform}`,
        { next: `set ${setting} to one for ${platform}, or build it here with IMAGES=local` },
      );
    }
    idByReference.set(reference, image.id);
    known.set(image.id, { name: reference, repoDigest: image.digests[0] ?? null });
  }
  return { bySetting, idByReference, known };
}
