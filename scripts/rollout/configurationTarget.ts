import { isMap, type ValueMap } from "../stack/mergeSources.ts";
import { labelStack } from "../stack/renderStack.ts";
import { labelParts } from "./prepareStack.ts";
import type { Making, Target } from "./target.ts";

/**
 * The settings and configuration of a past release with the images of the present one: the
 * rollback of a configuration.
 */
export function configurationTarget(past: Target, present: Target, making: Making): Target {
  const model = structuredClone(past.prepared.stack.model);
  const now = present.prepared.stack.model["services"] as ValueMap;
  for (const [name, service] of Object.entries(model["services"] as ValueMap)) {
    const same = now[name];
    if (isMap(service) && isMap(same) && same["image"] !== undefined)
      service["image"] = same["image"];
  }
  const version = present.settings.get("LETTA_VERSION");
  const { get, entries } = past.settings;
  const settings: Target["settings"] = {
    ...past.settings,
    get: (name) => (name === "LETTA_VERSION" ? version : get(name)),
    entries: () =>
      entries().map((one) => (one.name === "LETTA_VERSION" ? { ...one, value: version } : one)),
  };
  const { id, observed, secretKey } = making;
  const stack = labelStack(model, labelParts(settings, { release: id, observed, secretKey }));
  return {
    settings,
    prepared: { ...past.prepared, stack },
    images: present.images,
    restores: null,
  };
}
