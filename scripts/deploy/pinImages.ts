import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Images } from "./chooseImages.ts";

/** Where the names of our own begin that keep a release's images on the engine. */
export function retainedPrefix(project: string): string {
  return `letta-stack/retained:${project}-`;
}

/**
 * The same images by their ids: what a tag means tomorrow does not matter any more. One that
 * is not here yet stays under its reference.
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
 * that has it is left alone: the engine would write to its disk, which may be full during a rollback.
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
