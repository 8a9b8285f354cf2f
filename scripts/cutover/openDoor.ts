import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { findDoor } from "./findDoor.ts";

/**
 * Ends a hold that somebody began and did not end; without one it changes nothing.
 * @throws Problem STEP_FAILED where the proxy cannot be told
 */
export async function openDoor(
  settings: Settings,
  tools: Pick<Tools, "engine" | "now" | "randomBytes">,
): Promise<void> {
  const door = await findDoor(settings, tools);
  await door?.open();
}
