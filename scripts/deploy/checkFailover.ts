import { join } from "node:path";
import { twinConfiguration, type TwinConfiguration } from "../stack/twinConfiguration.ts";
import { scratchProject } from "../state/scratchProject.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import { writeFile } from "../state/writeFile.ts";
import type { Context } from "../state/context.ts";
import { obtainImages } from "./obtainImages.ts";
import type { PreparedStack } from "./prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import { twinSinkName, twinStack, type TwinSink } from "../stack/twinStack.ts";
import { check, type Check } from "../checks/check.ts";
import { failOver } from "./failOver.ts";

/**
 * Takes the sink away from a throw-away twin of the telemetry while spans are sent, brings it
 * back, and counts: every span must be there. The stack itself is not touched. What an earlier
 * twin left is cleared away first.
 * @param directory where the twin's Compose file is written
 * @returns the check of that name; what went wrong on the twin is its failure
 * @throws the signal's reason after Ctrl-C
 */
export async function checkFailover(
  settings: Settings,
  prepared: PreparedStack,
  directory: string,
  context: Context,
): Promise<Check> {
  const made = await check("failover and retry", async () => {
    const configuration = twinConfiguration(prepared.collector, twinSinkName);
    if (configuration === undefined) {
      return { skipped: "nothing leaves this machine: the collector writes files itself" };
    }
    const project = scratchProject(
      settings.project,
      "twin",
      installationId(secretKey(directory, context.randomBytes)),
    );
    const sink = await sinkOf(settings, prepared, configuration, context);
    const stack = twinStack(prepared.stack, project, configuration.text, sink);
    const file = join(directory, "twin.yaml");
    writeFile(file, stack.text);
    await context.engine.down(project, true);
    try {
      return await context.reporter.step(
        "failover and retry, on a throw-away twin",
        (report) => failOver(settings, { stack, file, configuration }, report, context),
        (seen) => seen,
      );
    } finally {
      await context.engine.down(project, true);
    }
  });
  context.signal.throwIfAborted();
  return made;
}

/** A ClickHouse of the stack is stood for by its own image, one outside by the image it would have. */
async function sinkOf(
  settings: Settings,
  { stack }: PreparedStack,
  { kind, user, database }: TwinConfiguration,
  context: Context,
): Promise<TwinSink> {
  if (kind === "otlp") return { kind };
  const bundled = stack.services.find((one) => one.name === twinSinkName)?.image;
  if (bundled !== undefined) return { kind, image: bundled, user, database };
  const images = await obtainImages(settings, ["CLICKHOUSE_IMAGE"], context);
  return { kind, image: images.bySetting.get("CLICKHOUSE_IMAGE")!, user, database };
}
