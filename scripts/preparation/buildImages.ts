import { Problem } from "../common/problem.ts";
import { changeHost, observeHost, planMmdebstrap } from "../engine/host.ts";
import { isInstalled } from "../engine/isInstalled.ts";
import { buildSecrets } from "../images/buildSecrets.ts";
import type { ImageChoice } from "../images/chooseImage.ts";
import { baseTag } from "../images/contentTag.ts";
import type { Recipe } from "../images/recipes.ts";
import { refuseUnbuildable } from "../images/refuseUnbuildable.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { refuseFullDisk } from "./preflight.ts";

/**
 * Builds images: the base first, then all others side by side, as BuildKit shares the cores
 * among them. The first that fails stops the rest.
 * @throws Problem BUILD_FAILED, DISK_TOO_SMALL, IMAGE_UNAVAILABLE
 */
export async function buildImages(
  settings: Settings,
  wanted: readonly Recipe[],
  builds: readonly ImageChoice[],
  tools: Tools,
): Promise<void> {
  for (const { role } of builds) refuseUnbuildable(wanted.find((one) => one.role === role)!);
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
