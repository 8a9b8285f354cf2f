import type { Release } from "../ledger/releases.ts";
import type { Settings } from "../settings/readSettings.ts";
import { labels } from "../stack/renderStack.ts";
import type { Images } from "./chooseImages.ts";
import type { PreparedStack } from "./prepareStack.ts";
import type { Tools } from "./tools.ts";

/** The sheet of a release that is about to begin. */
export function describeRelease(
  id: string,
  settings: Settings,
  { stack }: PreparedStack,
  images: Images,
  tools: Tools,
): Omit<Release, "format"> {
  const services = stack.services.map((service) => {
    const { labels: carried, image } = service;
    const sheet = {
      image,
      imageId: images.idByReference.get(image) ?? "",
      digest: carried[labels.digest] ?? "",
      release: carried[labels.release] ?? id,
    };
    return [service.name, sheet] as const;
  });
  return {
    id,
    tag: settings.get("LETTA_VERSION"),
    created: new Date(tools.now()).toISOString(),
    outcome: "begun",
    services: Object.fromEntries(services),
    revision: [],
  };
}
