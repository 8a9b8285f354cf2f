import { Problem } from "../common/problem.ts";
import { describeEngine } from "../docker/endpoint.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import { stopAll } from "./updateServices.ts";
import type { Context } from "../state/context.ts";
import { assertOwn } from "./preflight.ts";
import { prepareStack } from "./prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import { assertOwnState } from "./ownership.ts";
import { lockStack } from "./lockStack.ts";

export interface DownOutcome {
  readonly stopped: readonly string[];
  readonly removedVolumes: readonly string[];
  readonly retainedVolumes: readonly string[];
}

/**
 * Stops a stack in the order opposite to its start and removes its containers. Volumes stay,
 * unless they were asked for by a flag and confirmed.
 * @throws Problem STATE_MISMATCH, VOLUMES_PROTECTED, CONFIRMATION_NEEDED, DECLINED, LOCKED
 */
export async function down(
  settings: Settings,
  volumes: boolean,
  given: Context,
): Promise<DownOutcome> {
  if (volumes && settings.environment === "prod") {
    throw new Problem(
      "VOLUMES_PROTECTED",
      "expected no --volumes in prod: this tool never removes its volumes",
      {
        next: "npm run status -- prod",
      },
    );
  }
  const directory = stateDirectory(settings.stateDir, settings.environment);
  const input = { command: `down:${settings.environment}`, wait: false };
  const { context, unlock } = await lockStack(settings, directory, input, given);
  try {
    const { stack } = prepareStack(settings, { release: "000000" });
    const observed = await context.engine.containers(stack.project);
    assertOwn(stack.project, observed);
    await assertOwnState(settings, directory, observed, undefined, context);
    const found = await context.engine.volumes(stack.project);
    if (volumes && found.length > 0) {
      await context.reporter.confirm(
        `Remove these volumes of ${settings.environment} with all their data?`,
        [describeEngine(context.engine), ...found],
      );
    }
    const services = observed.map((one) => one.service);
    await stopAll(stack, services, context, "stop");
    if (observed.length > 0 || volumes) {
      await context.reporter.step("remove containers and networks", () =>
        context.engine.down(stack.project, volumes),
      );
    }
    return {
      stopped: services,
      removedVolumes: volumes ? found : [],
      retainedVolumes: volumes ? [] : found,
    };
  } finally {
    await unlock();
  }
}
