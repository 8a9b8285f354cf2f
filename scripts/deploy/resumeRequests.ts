import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import { findProxyControl } from "./proxyControl.ts";

/**
 * Ends a pause that a run began and did not end; without one it changes nothing.
 * @throws Problem STEP_FAILED where the proxy does not answer
 */
export async function resumeRequests(
  settings: Settings,
  context: Pick<Context, "engine" | "now" | "randomBytes">,
): Promise<void> {
  const proxyControl = await findProxyControl(settings, context);
  await proxyControl?.open();
}
