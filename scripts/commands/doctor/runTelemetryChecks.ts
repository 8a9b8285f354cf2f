import { readDelivery } from "../../stack/readDelivery.ts";
import { redaction } from "../../common/redaction.ts";
import type { Finding } from "../../checks/runCheck.ts";
import type { ObservedContainer } from "../../docker/engine.ts";
import type { Context } from "../../state/context.ts";
import { caCertificate } from "../../deploy/caCertificate.ts";
import { prepareStack } from "../../deploy/prepareStack.ts";
import { bringUpCommand } from "../../settings/bringUpCommand.ts";
import { certifiedName } from "../../settings/certifiedName.ts";
import type { Settings } from "../../settings/readSettings.ts";
import type { Stack } from "../../stack/renderStack.ts";
import { expectation, type Expectation } from "../../checks/expectation.ts";
import { runLocalTelemetryChecks } from "./runLocalTelemetryChecks.ts";
import { runRunningTelemetryChecks } from "./runRunningTelemetryChecks.ts";
import { runSinkChecks } from "./runSinkChecks.ts";

/** A machine as Node calls it: process.platform and process.arch. */
export interface Machine {
  readonly system: string;
  readonly arch: string;
}

/** What the settings of now promise of telemetry. */
export interface Promised {
  readonly stack: Stack;
  readonly expected: Expectation;
  /** A certificate (PEM) that is trusted too. */
  readonly caCertificate: string | undefined;
}

/** What the checks of running telemetry look at. */
export interface TelemetryScene extends Promised {
  readonly settings: Settings;
  readonly containers: readonly ObservedContainer[];
  readonly redact: (text: string) => string;
  /** Commands to go on with. */
  readonly next: {
    readonly bringUp: string;
    readonly verify: string;
    readonly logs: (service: string) => string;
    readonly explain: (setting: string) => string;
  };
}

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
