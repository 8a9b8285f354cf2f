import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Images } from "./chooseImages.ts";

/** Where the names of our own begin that keep a release's images on the engine. */
export function keptPrefix(project: string): string {
  return `letta-stack/kept:${project}-`;
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
 * that has it is let be: the engine would write to its disk, which may be full on a way back.
 */
export async function keepImages(
  settings: Settings,
  imageIds: Iterable<string>,
  tools: Tools,
): Promise<void> {
  const kept = await tools.engine.tagged(keptPrefix(settings.project));
  const isKept = (id: string) =>
    kept.some((one) => one.id === id && one.reference === keptName(settings.project, id));
  await Promise.all(
    [...new Set(imageIds)]
      .filter((id) => !isKept(id))
      .map((id) => tools.engine.tag(id, keptName(settings.project, id))),
  );
}

/** Such as letta-stack/kept:letta-prod-2e1a455d8390. */
export function keptName(project: string, imageId: string): string {
  return `${keptPrefix(project)}${imageId.replace("sha256:", "").slice(0, 12)}`;
}
