import { Problem } from "../common/problem.ts";
import { observeHost, planMmdebstrap, changeHost } from "../engine/host.ts";
import { isInstalled } from "../engine/isInstalled.ts";
import { buildSecrets } from "../images/buildSecrets.ts";
import { chooseImage, type ImageChoice, type ImageQuestion } from "../images/chooseImage.ts";
import { baseTag, contentTag } from "../images/contentTag.ts";
import { officialReference } from "../images/officialReference.ts";
import { recipes, type Recipe } from "../images/recipes.ts";
import type { Settings } from "../settings/readSettings.ts";
import { refuseFullDisk } from "./preflight.ts";
import type { Tools } from "./tools.ts";

/** The images of a stack: the reference of each by its setting, and each one's id. */
export interface Images {
  readonly bySetting: ReadonlyMap<string, string>;
  readonly idByReference: ReadonlyMap<string, string>;
}

/**
 * Has every image on the engine that the named settings stand for: present, pulled, or built.
 * @param needed settings such as LETTA_IMAGE
 * @throws Problem IMAGE_UNAVAILABLE, BUILD_FAILED
 */
export async function obtainImages(
  settings: Settings,
  needed: readonly string[],
  tools: Tools,
): Promise<Images> {
  const wanted = recipes(settings.environment, settings.lookup).filter((one) =>
    needed.includes(one.setting),
  );
  let questions = await Promise.all(wanted.map((recipe) => question(settings, recipe, tools)));
  const pulls = questions.map(chooseImage).filter((choice) => choice.source === "pull");
  if (pulls.length > 0) {
    const failed = await pullAll(pulls, tools);
    if (failed !== undefined && settings.get("IMAGES") === "pull") {
      throw new Problem("IMAGE_UNAVAILABLE", "not every image could be pulled", {
        details: [failed],
        next: "log in to the registry, or build here with IMAGES=local",
      });
    }
    if (failed !== undefined) {
      const why = failed.split(": ").at(-1)?.trim();
      tools.say.note(`images cannot be pulled here (${why}): building from docker/ instead`);
      questions = questions.map((one) => ({ ...one, registry: false }));
    }
  }
  const builds = questions.map(chooseImage).filter((choice) => choice.source === "build");
  if (builds.length > 0) await buildAll(settings, wanted, builds, tools);
  return described(wanted, questions.map(chooseImage), tools);
}

/** What obtainImages would do now, without doing it. */
export async function chooseImages(
  settings: Settings,
  needed: readonly string[],
  tools: Tools,
): Promise<Images & { readonly choices: readonly ImageChoice[] }> {
  const wanted = recipes(settings.environment, settings.lookup).filter((one) =>
    needed.includes(one.setting),
  );
  const questions = await Promise.all(wanted.map((recipe) => question(settings, recipe, tools)));
  const choices = questions.map(chooseImage);
  const bySetting = new Map(choices.map((one, index) => [wanted[index]!.setting, one.reference]));
  const found = await Promise.all(choices.map((one) => tools.engine.image(one.reference)));
  const idByReference = new Map(
    choices.flatMap((one, index) =>
      found[index] ? [[one.reference, found[index].id] as const] : [],
    ),
  );
  return { choices, bySetting, idByReference };
}

async function question(settings: Settings, recipe: Recipe, tools: Tools): Promise<ImageQuestion> {
  const official = officialReference(
    settings.get(recipe.setting as "LETTA_IMAGE"),
    recipe.officialVersion,
  );
  const local = contentTag(settings.root, recipe);
  const [officialImage, localImage] = await Promise.all([
    tools.engine.image(official),
    tools.engine.image(local),
  ]);
  return {
    role: recipe.role,
    mode: settings.get("IMAGES") as ImageQuestion["mode"],
    official,
    local,
    officialPresent: officialImage !== undefined,
    localPresent: localImage !== undefined,
    registry: undefined,
    onlyLocal: recipe.target === "development",
  };
}

/** @returns what the engine said of the first that could not be pulled */
async function pullAll(choices: readonly ImageChoice[], tools: Tools): Promise<string | undefined> {
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
      const failed = results.find((one) => one.status === "rejected");
      return failed === undefined
        ? undefined
        : String((failed.reason as Error).message).split("\n")[0];
    },
    (failed) => (failed === undefined ? "" : "not to be had"),
  );
}

/** The base first, then all others side by side: BuildKit shares the cores among them. */
export async function buildAll(
  settings: Settings,
  wanted: readonly Recipe[],
  builds: readonly ImageChoice[],
  tools: Tools,
): Promise<void> {
  await refuseFullDisk("build", tools);
  const base = baseTag(settings.root);
  if ((await tools.engine.image(base)) === undefined) await buildBase(settings, base, tools);
  const inputs = buildSecrets(tools.processEnvironment);
  const running = new Map<string, string>();
  await tools.say.step(`build ${builds.map((one) => one.role).join(", ")}`, async (report) => {
    const stop = new AbortController();
    const signal = AbortSignal.any([tools.signal, stop.signal]);
    const show = () => report([...running].map(([role, far]) => `${role} ${far}`).join(" · "));
    const one = async (choice: ImageChoice) => {
      const recipe = wanted.find((each) => each.role === choice.role)!;
      const request = {
        folder: `${settings.root}/docker/${recipe.role}`,
        tag: choice.reference,
        target: recipe.target,
        arguments: { BASE: base, ...recipe.arguments },
        ...inputs,
      };
      await tools.engine.build(request, (far) => (running.set(choice.role, far), show()), signal);
      running.delete(choice.role);
      show();
    };
    const results = await Promise.allSettled(
      builds.map((choice) =>
        one(choice).catch((error: unknown) => (stop.abort(error), Promise.reject(error))),
      ),
    );
    tools.signal.throwIfAborted();
    const failed = results.find(
      (result) => result.status === "rejected" && result.reason instanceof Problem,
    );
    if (failed?.status === "rejected") throw failed.reason;
  });
}

async function buildBase(settings: Settings, base: string, tools: Tools): Promise<void> {
  const host = observeHost();
  const mirror = settings.get("DEBIAN_MIRROR") || host.mirror;
  if (mirror === undefined) {
    throw new Problem(
      "IMAGE_UNAVAILABLE",
      "no image registry answers, and apt names no Debian mirror to build from",
      {
        next: "set DEBIAN_MIRROR, or make a registry reachable",
      },
    );
  }
  if (!isInstalled("mmdebstrap")) {
    const change = planMmdebstrap(host);
    await tools.say.confirm("Images have to be built here. Do this on the host?", [
      `${change.about}: ${change.script}`,
    ]);
    await tools.say.step(change.about, () => changeHost(change, tools.processEnvironment));
  }
  await tools.say.step("build base (Debian trixie)", () =>
    tools.engine.importBase(settings.root, mirror, base),
  );
}

async function described(
  wanted: readonly Recipe[],
  choices: readonly ImageChoice[],
  tools: Tools,
): Promise<Images> {
  const bySetting = new Map<string, string>();
  const idByReference = new Map<string, string>();
  for (const { role, reference } of choices) {
    bySetting.set(wanted.find((one) => one.role === role)!.setting, reference);
    const image = await tools.engine.image(reference);
    if (image === undefined) {
      throw new Problem("IMAGE_UNAVAILABLE", `${reference} is not on the engine`, {
        next: "npm run images -- build " + role,
      });
    }
    idByReference.set(reference, image.id);
  }
  return { bySetting, idByReference };
}
