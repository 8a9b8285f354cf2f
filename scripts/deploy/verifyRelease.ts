import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expectation, type Expectation } from "../checks/expectation.ts";
import {
  type Check,
  spansCheck,
  verify,
  verifyQuickly,
  verifyServer,
  verifySpans,
  verifyTelemetry,
} from "../checks/verify.ts";
import { failureKind, type FailureKind } from "../common/failureKind.ts";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { certifiedName, type Settings } from "../settings/readSettings.ts";
import { readDelivery } from "../stack/readDelivery.ts";
import type { Context } from "../state/context.ts";
import { deviceId, secretKey } from "../state/secretKey.ts";
import type { PreparedStack } from "./prepareStack.ts";

/**
 * A quick look asks whether what runs still answers; the full verification sends canaries too, and
 * waits for the server's spans; the verification of a fast rollback leaves those out, as they take as
 * long as all batches on their way. Spans alone are what the bake gate waits for.
 */
type Depth = "quick" | "whole" | "telemetry" | "server" | "spans";

const depths = {
  quick: verifyQuickly,
  whole: verify,
  telemetry: verifyTelemetry,
  server: verifyServer,
  spans: verifySpans,
} as const;

/** Verifies a running stack against what its rendered form promises. */
export function verifyRelease(
  settings: Settings,
  prepared: Pick<PreparedStack, "stack" | "collector">,
  directory: string,
  context: Context,
  depth: Depth,
): Promise<Check[]> {
  // A quick look follows nothing on its way.
  const followed = depth === "quick" ? { ...prepared, collector: "" } : prepared;
  const expected = expectationOf(settings, followed, directory, context);
  return depths[depth](expected, {
    engine: context.engine,
    now: context.now,
    randomId: () => context.randomBytes(8).toString("hex"),
    redact: redaction(settings.sensitive()),
  });
}

/** @throws Problem STEP_FAILED naming each check that failed */
export function assertPassed(checks: readonly Check[], environment: string): void {
  const failed = checks.filter((one) => one.outcome === "failed");
  if (failed.length === 0) return;
  throw new Problem("STEP_FAILED", `${failed.length} of ${checks.length} checks failed`, {
    details: failed.map((one) => `${one.name}: ${one.detail}`),
    next: `npm run logs -- ${environment}`,
  });
}

/**
 * The same for what a release answers for; other failures are reported.
 * @returns the checks that fail as the server failed before anything was touched
 * @throws Problem STEP_FAILED
 */
export function assertVerified(
  checks: readonly Check[],
  circumstances: VerificationCircumstances,
  environment: string,
  context: Pick<Context, "reporter">,
): readonly Check[] {
  const { counted, degraded, failedBefore } = classifyChecks(checks, circumstances);
  assertPassed(counted, environment);
  for (const { name, detail } of failedBefore)
    context.reporter.note(`failed before this run too, continuing: ${name}: ${detail}`);
  for (const { name, detail } of degraded)
    context.reporter.note(`telemetry is degraded, continuing: ${name}: ${detail}`);
  return failedBefore;
}

/** "9 checks passed, 1 failed (canary trace), 1 skipped (Grafana link: GRAFANA_ENABLED is off)". */
export function checksSummary(checks: readonly Check[]): string {
  const of = (outcome: Check["outcome"]) => checks.filter((one) => one.outcome === outcome);
  const failed = of("failed").map((one) => one.name);
  const skipped = of("skipped").map((one) => `${one.name}: ${one.detail}`);
  return [
    `${of("passed").length} checks passed`,
    ...(failed.length > 0 ? [`${failed.length} failed (${failed.join(", ")})`] : []),
    ...(skipped.length > 0 ? [`${skipped.length} skipped (${skipped.join("; ")})`] : []),
  ].join(", ");
}

export interface VerificationCircumstances {
  readonly telemetryCounts: boolean;
  /** Whether the release made or changed a part of the telemetry. */
  readonly changesTelemetry: boolean;
  /** How the server failed already before anything was touched. */
  readonly before?: readonly FailureKind[];
}

interface ClassifiedChecks {
  /** What the release answers for. */
  readonly counted: readonly Check[];
  /** What failed, and is not the release's doing or has to wait. */
  readonly degraded: readonly Check[];
  /** What fails as the server failed before: not the release's doing either. */
  readonly failedBefore: readonly Check[];
}

/**
 * Which checks a release answers for. A sink that is away must not keep anybody from
 * deploying a repair, nor in an incident from going back: there only the server counts. A run that
 * changes such a service has to show that all still arrives, unless telemetry counts for nothing. Pure.
 */
export function classifyChecks(
  checks: readonly Check[],
  { telemetryCounts, changesTelemetry, before = [] }: VerificationCircumstances,
): ClassifiedChecks {
  const failedBefore = checks.filter(({ outcome, detail }) => {
    const kind = failureKind(detail);
    return outcome === "failed" && kind !== undefined && before.includes(kind);
  });
  const own = checks.filter((one) => !failedBefore.includes(one));
  const telemetry = own.filter(
    (one) => one.outcome === "failed" && one.description === "telemetry",
  );
  // Where canaries do not arrive either, spans that are missing say nothing of the server.
  const explains = telemetry.some((one) => one.name !== spansCheck);
  const degraded = !telemetryCounts || (!changesTelemetry && explains) ? telemetry : [];
  return { counted: own.filter((one) => !degraded.includes(one)), degraded, failedBefore };
}

/**
 * What must be true of a prepared stack under these settings, and who may look whether it is.
 * @param prepared with "" as its collector's configuration where nothing is followed on its way
 */
export function expectationOf(
  settings: Settings,
  prepared: Pick<PreparedStack, "stack" | "collector">,
  directory: string,
  context: Pick<Context, "randomBytes">,
): Expectation {
  const url = settings.get("GRAFANA_URL");
  return expectation(prepared.stack, {
    version: settings.get("LETTA_VERSION"),
    serverName: certifiedName(settings),
    password:
      settings.get("SECURE") === "true" ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined,
    delivery: readDelivery(prepared.collector),
    reader: {
      user: settings.get("CLICKHOUSE_READER_USERNAME"),
      password: settings.get("CLICKHOUSE_READER_PASSWORD"),
      caCertificate: caCertificate(settings),
    },
    grafana:
      url === ""
        ? undefined
        : {
            url: settings.get("GRAFANA_ENABLED") === "true" ? ownDashboard(url) : url,
            deviceId: deviceId(secretKey(directory, context.randomBytes)),
          },
  });
}

/** The certificate that is trusted in addition to the known ones. */
function caCertificate(settings: Settings): string | undefined {
  const path = resolve(settings.root, settings.get("OTEL_CA_FILE"));
  return settings.has("OTEL_CA_FILE") && existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Where the link leads in the Grafana of the stack itself. */
function ownDashboard(url: string): string {
  return `${url.replace(/\/+$/, "")}/d/letta-agent`;
}
