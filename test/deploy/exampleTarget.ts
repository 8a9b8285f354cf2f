import { hash } from "node:crypto";
import { pinned } from "../../scripts/deploy/obtainImages.ts";
import { prepareStack } from "../../scripts/deploy/prepareStack.ts";
import type { Preparation, Target } from "../../scripts/deploy/target.ts";
import type { EnvironmentName } from "../../scripts/settings/environmentName.ts";
import { readSettings, type Settings } from "../../scripts/settings/readSettings.ts";
import { exampleSecrets, root } from "../stack/exampleStack.ts";

/** An environment as it is committed, with these settings otherwise. */
export function settingsOf(
  environment: EnvironmentName,
  otherwise: Readonly<Record<string, string>> = {},
): Settings {
  return readSettings({
    environment,
    root,
    processEnvironment: { ...exampleSecrets, ...otherwise },
  });
}

/** Release 000009 in the making, on an engine where nothing runs. */
export const preparation: Preparation = {
  id: "000009",
  directory: "/nowhere",
  observed: [],
  secretKey: Buffer.alloc(32, 1),
  keeps: false,
};

/** An image's id: the same for the same reference. */
export function imageIdOf(reference: string): string {
  return `sha256:${hash("sha256", reference)}`;
}

/** What these settings ask for, all its images on the engine. */
export function targetOf(settings: Settings, restores: string | null = null): Target {
  const { stack } = prepareStack(settings, { release: preparation.id });
  const references = new Set(stack.services.map((one) => one.image));
  const setting = (service: string) => stack.services.find((one) => one.name === service)!.image;
  const images = pinned({
    bySetting: new Map([
      ["LETTA_IMAGE", setting("server")],
      ["COLLECTOR_IMAGE", setting("collector")],
      ["POSTGRES_IMAGE", settings.get("POSTGRES_IMAGE")],
      ["BUSYBOX_IMAGE", setting("permissions")],
      ["PROXY_IMAGE", settings.get("PROXY_IMAGE")],
    ]),
    idByReference: new Map([...references].map((one) => [one, imageIdOf(one)])),
  });
  const { id: release, secretKey } = preparation;
  const prepared = prepareStack(settings, { release, secretKey, images: images.bySetting });
  return { settings, prepared, images, restores };
}
