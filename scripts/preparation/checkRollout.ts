import type { Change } from "../parts/planChanges.ts";
import { expectVersions } from "../parts/readyEngine.ts";
import type { Tools } from "../parts/tools.ts";
import type { Settings } from "../settings/readSettings.ts";
import { validateStack } from "../stack/validateStack.ts";
import type { Images } from "./chooseImages.ts";
import {
  refuseForeignVolumes,
  refuseFullDisk,
  refuseStateful,
  refuseTakenPorts,
} from "./preflight.ts";
import type { PreparedStack } from "./prepareStack.ts";
import { validateCollector } from "./validateCollector.ts";

export interface CheckedRollout {
  readonly settings: Settings;
  readonly prepared: PreparedStack;
  readonly changes: readonly Change[];
  readonly images: Images;
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether this collector has judged this very configuration before. */
  readonly judged: boolean;
  /** Whether this very stack ran here before: its model need not be judged again. */
  readonly past?: boolean;
}

/**
 * Every check that comes before anything is touched: versions, the model, the collector's own
 * judgement, ports, volumes, disk, parts that hold data.
 * @throws Problem of the check that fails first
 */
export async function checkRollout(
  { settings, prepared, changes, images, recreate, judged, past }: CheckedRollout,
  tools: Tools,
): Promise<void> {
  const { stack, collector } = prepared;
  refuseStateful(stack, changes, recreate);
  await tools.say.step("preflight", async () => {
    await Promise.all([
      past ? undefined : expectVersions(tools),
      past ? undefined : validateStack(stack),
      judged ? undefined : validateCollector(collector, settings, changes, images, tools),
      refuseTakenPorts(stack, changes, tools),
      refuseForeignVolumes(stack, changes, tools),
      refuseFullDisk("run", tools),
    ]);
  });
}
