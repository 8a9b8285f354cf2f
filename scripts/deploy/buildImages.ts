import { Problem } from "../common/problem.ts";
import { baseTag, contentTag } from "../docker/contentTag.ts";
import { changeHost, isInstalled, observeHost, planMmdebstrap } from "../docker/host.ts";
import {
  assertBuildable,
  buildSecrets,
  type ImageChoice,
  type Recipe,
  recipes,
} from "../docker/recipes.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { assertDiskSpace, ensureEngine } from "./preflight.ts";

/**
 * Builds images: the base first, then all others side by side, as BuildKit shares the cores
 * among them. The first that fails stops the rest.
 * @throws Problem BUILD_FAILED, DISK_TOO_SMALL, IMAGE_UNAVAILABLE
 */
export async function buildImages(
  settings: Settings,
  requested: readonly Recipe[],
  builds: readonly ImageChoice[],
  context: Context,
): Promise<void> {
  for (const { role } of builds) assertBuildable(requested.find((one) => one.role === role)!);
  await assertDiskSpace("build", context);
  const base = baseTag(settings.root);
  if ((await context.engine.image(base)) === undefined) await buildBase(settings, base, context);
  const inputs = buildSecrets(context.processEnvironment);
  const running = new Map<string, string>();
  await context.reporter.step(
    `build ${builds.map((one) => one.role).join(", ")}`,
    async (report) => {
      const stop = new AbortController();
      const signal = AbortSignal.any([context.signal, stop.signal]);
      const show = () => report([...running].map(([role, far]) => `${role} ${far}`).join(" · "));
      const one = async (choice: ImageChoice) => {
        const recipe = requested.find((each) => each.role === choice.role)!;
        const request = {
          folder: `${settings.root}/docker/${recipe.role}`,
          tag: choice.reference,
          target: recipe.target,
          arguments: { BASE: base, ...recipe.arguments },
          ...inputs,
        };
        await context.engine.build(
          request,
          (far) => (running.set(choice.role, far), show()),
          signal,
        );
        running.delete(choice.role);
        show();
      };
      const results = await Promise.allSettled(
        builds.map((choice) =>
          one(choice).catch((error: unknown) => (stop.abort(error), Promise.reject(error))),
        ),
      );
      context.signal.throwIfAborted();
      const failed = results.find(
        (result) => result.status === "rejected" && result.reason instanceof Problem,
      );
      if (failed?.status === "rejected") throw failed.reason;
    },
  );
}

async function buildBase(settings: Settings, base: string, context: Context): Promise<void> {
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
    await context.reporter.confirm("Images have to be built here. Do this on the host?", [
      `${change.description}: ${change.script}`,
    ]);
    await context.reporter.step(change.description, () =>
      changeHost(change, context.processEnvironment),
    );
  }
  await context.reporter.step("build base (Debian trixie)", () =>
    context.engine.importBase(settings.root, mirror, base),
  );
}

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
