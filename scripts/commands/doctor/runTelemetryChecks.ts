import type { Promised } from "./telemetryScene.ts";
import type { Machine } from "./telemetryScene.ts";
import type { TelemetryScene } from "./telemetryScene.ts";
import { readDelivery } from "../../stack/readDelivery.ts";
import { redaction } from "../../common/redaction.ts";
import type { Finding } from "../../checks/check.ts";
import type { Context } from "../../state/context.ts";
import { caCertificate } from "../../deploy/caCertificate.ts";
import { prepareStack } from "../../deploy/prepareStack.ts";
import { bringUpCommand } from "../../settings/environmentName.ts";
import { certifiedName, type Settings } from "../../settings/readSettings.ts";
import { expectation } from "../../checks/expectation.ts";
import { runLocalTelemetryChecks } from "./runLocalTelemetryChecks.ts";
import { runRunningTelemetryChecks } from "./runRunningTelemetryChecks.ts";
import { runSinkChecks } from "./runSinkChecks.ts";

/**
 * What the troubleshooting guide of the original has a person look at, looked at: the machine, the
 * settings, the parts that run, the sinks, and what lies between them. Nothing is sent but
 * requests without telemetry in them.
 * @param engineAnswers whether there is an engine to ask
 */
export async function runTelemetryChecks(
  settings: Settings,
  engineAnswers: Promise<boolean>,
  context: Context,
  machine: Machine,
): Promise<Finding[]> {
  const promised = promisedBy(settings);
  const here = runLocalTelemetryChecks(settings, context, machine);
  if (promised === undefined) return here; // the check of the stack tells why
  const { environment } = settings;
  const answers = await engineAnswers;
  const scene: TelemetryScene = {
    ...promised,
    settings,
    containers: answers ? await context.engine.containers(settings.project) : [],
    redact: redaction(settings.sensitive()),
    next: {
      bringUp: bringUpCommand(environment),
      verify: `npm run verify -- ${environment}`,
      logs: (service) => `npm run logs -- ${environment} ${service}`,
      explain: (setting) => `npm run settings -- ${environment} --explain ${setting}`,
    },
  };
  const blind = answers ? undefined : "no engine to ask";
  const running = runRunningTelemetryChecks(scene, blind, context);
  return (await Promise.all([here, running, runSinkChecks(scene, context)])).flat();
}

function promisedBy(settings: Settings): Promised | undefined {
  try {
    const { stack, collector } = prepareStack(settings, { release: "000000" });
    const trusted = caCertificate(settings);
    const expected = expectation(stack, {
      version: settings.get("LETTA_VERSION"),
      serverName: certifiedName(settings),
      password: undefined,
      delivery: readDelivery(collector),
      reader: {
        user: settings.get("CLICKHOUSE_READER_USERNAME"),
        password: settings.get("CLICKHOUSE_READER_PASSWORD"),
        caCertificate: trusted,
      },
      grafana: undefined,
    });
    return { stack, expected, caCertificate: trusted };
  } catch {
    return undefined;
  }
}
