import type { ImageChoice } from "../images/chooseImage.ts";
import type { Settings } from "../settings/readSettings.ts";
import { readKey } from "../ledger/secretKey.ts";
import { join } from "node:path";
import { chooseImages } from "./obtainImages.ts";
import { planChanges, type Change } from "./planChanges.ts";
import { refuseForeign } from "./preflight.ts";
import { imageSettings, prepareStack, type PreparedStack } from "./prepareStack.ts";
import type { Tools } from "./tools.ts";

export interface Observation {
  readonly changes: readonly Change[];
  readonly images: readonly ImageChoice[];
  readonly prepared: PreparedStack;
  readonly database: { readonly action: "none" | "migrate" };
  readonly cutover: "none" | "stop";
}

/**
 * What differs between the stack as it is asked for and what the engine has. Reads only.
 * @throws Problem ENGINE_UNREACHABLE, FOREIGN_CONTAINERS
 */
export async function observeChanges(settings: Settings, tools: Tools): Promise<Observation> {
  const observed = await tools.engine.containers(settings.project);
  refuseForeign(settings.project, observed);
  const { choices, bySetting, idByReference } = await chooseImages(settings, imageSettings(settings), tools);
  const key = readKey(join(settings.stateDir, settings.environment));
  const prepared = prepareStack(settings, {
    release: "000000",
    images: bySetting,
    observed,
    ...(key === undefined ? {} : { secretKey: key }),
  });
  const changes = planChanges(prepared.stack, observed, idByReference);
  const does = (service: string) => changes.some((one) => one.service === service && one.action !== "none");
  return {
    changes,
    images: choices,
    prepared,
    database: { action: does(prepared.stack.server.migrate) ? "migrate" : "none" },
    cutover: observed.length > 0 && does(prepared.stack.server.service) ? "stop" : "none",
  };
}
