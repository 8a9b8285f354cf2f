import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readDelivery } from "../collector/readDelivery.ts";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { deviceId, secretKey } from "../ledger/secretKey.ts";
import { certifiedName } from "../settings/certifiedName.ts";
import type { Settings } from "../settings/readSettings.ts";
import { expectation } from "../verification/expectation.ts";
import {
  verify,
  verifyQuickly,
  verifyServer,
  verifyTelemetry,
  type Check,
} from "../verification/verify.ts";
import type { PreparedStack } from "./prepareStack.ts";
import type { Tools } from "./tools.ts";

/**
 * A quick look asks whether what runs still answers; the whole proof sends canaries too, and
 * waits for the server's spans; the proof in an incident leaves those out, as they take as
 * long as all batches on their way.
 */
export type Depth = "quick" | "whole" | "telemetry" | "server";

const depths = {
  quick: verifyQuickly,
  whole: verify,
  telemetry: verifyTelemetry,
  server: verifyServer,
} as const;

/** Proves a running stack against what its rendered form promises. */
export function proveStack(
  settings: Settings,
  prepared: Pick<PreparedStack, "stack" | "collector">,
  directory: string,
  tools: Tools,
  depth: Depth,
): Promise<Check[]> {
  const url = settings.get("GRAFANA_URL");
  const expected = expectation(prepared.stack, {
    version: settings.get("LETTA_VERSION"),
    serverName: certifiedName(settings),
    password:
      settings.get("SECURE") === "true" ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined,
    // A quick look follows nothing on its way.
    delivery: readDelivery(depth === "quick" ? "" : prepared.collector),
    reader: {
      user: settings.get("CLICKHOUSE_READER_USERNAME"),
      password: settings.get("CLICKHOUSE_READER_PASSWORD"),
      authority: authority(settings),
    },
    grafana:
      url === ""
        ? undefined
        : {
            url: settings.get("GRAFANA") === "true" ? ownDashboard(url) : url,
            deviceId: deviceId(secretKey(directory, tools.randomBytes)),
          },
  });
  return depths[depth](expected, {
    engine: tools.engine,
    now: tools.now,
    randomId: () => tools.randomBytes(8).toString("hex"),
    redact: redaction(settings.sensitive()),
  });
}

/** The certificate that is trusted beside the known ones. */
function authority(settings: Settings): string | undefined {
  const path = resolve(settings.root, settings.get("OTEL_CA_FILE"));
  return settings.has("OTEL_CA_FILE") && existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Where the link leads in the Grafana of the stack itself. */
function ownDashboard(url: string): string {
  return `${url.replace(/\/+$/, "")}/d/letta-agent`;
}

/** @throws Problem STEP_FAILED naming each check that failed */
export function expectPassed(checks: readonly Check[], environment: string): void {
  const failed = checks.filter((one) => one.outcome === "failed");
  if (failed.length === 0) return;
  throw new Problem("STEP_FAILED", `${failed.length} of ${checks.length} checks failed`, {
    details: failed.map((one) => `${one.name}: ${one.detail}`),
    next: `npm run logs -- ${environment}`,
  });
}

/** "9 checks passed, 1 skipped (Grafana link: GRAFANA is off)". */
export function checksSummary(checks: readonly Check[]): string {
  const passed = checks.filter((one) => one.outcome === "passed").length;
  const skipped = checks.filter((one) => one.outcome === "skipped");
  const reasons = skipped.map((one) => `${one.name}: ${one.detail}`).join("; ");
  return `${passed} checks passed${skipped.length > 0 ? `, ${skipped.length} skipped (${reasons})` : ""}`;
}
