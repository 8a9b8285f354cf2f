import type { SettingName, Settings } from "../settings/readSettings.ts";
import { isMap, type ValueMap } from "../stack/mergeSources.ts";
import { labelStack } from "../stack/renderStack.ts";
import { labelParts } from "./prepareStack.ts";
import type { Preparation, Target } from "./target.ts";

/**
 * The settings and configuration of a past release with the images of the present one: the
 * rollback of a configuration.
 */
export function configurationTarget(
  past: Target,
  present: Target,
  preparation: Preparation,
): Target {
  const model = structuredClone(past.prepared.stack.model);
  const now = present.prepared.stack.model["services"] as ValueMap;
  for (const [name, service] of Object.entries(model["services"] as ValueMap)) {
    const same = now[name];
    if (isMap(service) && isMap(same) && same["image"] !== undefined)
      service["image"] = same["image"];
  }
  const settings = withImagesOf(past.settings, present.settings);
  const { id, observed, secretKey } = preparation;
  const stack = labelStack(model, labelParts(settings, { release: id, observed, secretKey }));
  return {
    settings,
    prepared: { ...past.prepared, stack },
    images: {
      ...present.images,
      // A part that only the past release has keeps its own image.
      idByReference: new Map([...past.images.idByReference, ...present.images.idByReference]),
    },
    restores: null,
  };
}

/** What says which images there are: it goes with them. */
const ofImages: readonly SettingName[] = [
  "LETTA_VERSION",
  "LETTA_IMAGE",
  "OTEL_VERSION",
  "COLLECTOR_IMAGE",
  "POSTGRES_IMAGE",
  "BUSYBOX_IMAGE",
  "PROXY_IMAGE",
  "CLICKHOUSE_IMAGE",
];

function withImagesOf(past: Settings, present: Settings): Settings {
  const of = (name: SettingName) => (ofImages.includes(name) ? present : past);
  return {
    ...past,
    get: (name) => of(name).get(name),
    has: (name) => of(name).has(name),
    origin: (name) => of(name).origin(name),
    layers: (name) => of(name).layers(name),
    lookup: (name) => of(name as SettingName).lookup(name),
    entries: () => [
      ...past.entries().filter((one) => !ofImages.includes(one.name)),
      ...present.entries().filter((one) => ofImages.includes(one.name)),
    ],
  };
}
