import { Problem } from "../common/problem.ts";
import { describeEngine } from "../engine/endpoint.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import { stopAll } from "../parts/stopAll.ts";
import type { Tools } from "../parts/tools.ts";
import { refuseForeign } from "../preparation/preflight.ts";
import { prepareStack } from "../preparation/prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import { assertOwnState } from "./assertOwnState.ts";
import { lockStack } from "./lockStack.ts";

export interface DownOutcome {
  readonly stopped: readonly string[];
  readonly removedVolumes: readonly string[];
  readonly keptVolumes: readonly string[];
}

/**
 * Stops a stack in the order opposite to its start and removes its containers. Volumes stay,
 * unless they were asked for by a flag and confirmed.
 * @throws Problem STATE_MISMATCH, VOLUMES_PROTECTED, CONFIRMATION_NEEDED, DECLINED, LOCKED
 */
export async function down(
  settings: Settings,
  volumes: boolean,
  given: Tools,
): Promise<DownOutcome> {
  if (volumes && settings.environment === "prod") {
    throw new Problem(
      "VOLUMES_PROTECTED",
      "expected volumes of prod to stay, they are never removed by this tool",
      {
        next: "npm run status -- prod",
      },
    );
  }
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const asked = { command: `down:${settings.environment}`, wait: false };
  const { tools, unlock } = await lockStack(settings, directory, asked, given);
  try {
    const { stack } = prepareStack(settings, { release: "000000" });
    const observed = await tools.engine.containers(stack.project);
    refuseForeign(stack.project, observed);
    await assertOwnState(settings, directory, observed, undefined, tools);
    const found = await tools.engine.volumes(stack.project);
    if (volumes && found.length > 0) {
      await tools.say.confirm(
        `Remove these volumes of ${settings.environment} with all their data?`,
        [describeEngine(tools.engine), ...found],
      );
    }
    const services = observed.map((one) => one.service);
    await stopAll(stack, services, tools, "stop");
    if (observed.length > 0 || volumes) {
      await tools.say.step("remove containers and networks", () =>
        tools.engine.down(stack.project, volumes),
      );
    }
    return {
      stopped: services,
      removedVolumes: volumes ? found : [],
      keptVolumes: volumes ? [] : found,
    };
  } finally {
    await unlock();
  }
}
