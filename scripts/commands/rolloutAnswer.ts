import { clientUrl } from "../checks/expectation.ts";
import type { Check } from "../checks/verify.ts";
import type { StepRecord } from "../common/reporter.ts";
import { retainedText } from "../database/rowsOnlyIn.ts";
import type { RolloutOutcome } from "../deploy/deploy.ts";
import type { Retaining } from "../deploy/session.ts";
import type { UpOutcome } from "../deploy/up.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./commandDefinition.ts";
import { table } from "./table.ts";

/** What a deploy or a rollback came to, for scripts and for people. */
export function rolloutAnswer(
  settings: Settings,
  outcome: RolloutOutcome & Retaining,
  steps: readonly StepRecord[],
): Answer {
  const { environment } = settings;
  const { schema } = outcome.decision;
  const version = outcome.checks.find((one) => one.name === "server version");
  const same = outcome.release === outcome.from;
  const reported = verificationSummary(outcome.checks, environment);
  const headline = same
    ? `nothing to do: release ${outcome.release} (${outcome.tag}) runs`
    : `release ${outcome.release} (${outcome.tag}) runs, ${reported.verified}`;
  const verification = outcome.rehearsal?.rollbackCheck;
  const { prepared, settings: applied } = outcome.target;
  const url = clientUrl(prepared.stack, applied.get("PROXY_DOMAIN"));
  const rows = [
    ...(url === null ? [] : [["server", url]]),
    ["database", describeDatabaseStrategy(outcome)],
    ...outcome.retained
      .map(retainedText)
      .filter(Boolean)
      .map((line) => ["retained", line]),
    ["requests", describeDeployStrategy(outcome)],
    ...(verification
      ? [
          [
            "rollback",
            verification.passed
              ? "verified: npm run rollback"
              : `not verified: ${verification.detail}`,
          ],
        ]
      : []),
    ...reported.rows,
    ...(outcome.bake ? [["bake gate", `${words[outcome.bake.verdict]}: ${outcome.bake.why}`]] : []),
    [
      "next",
      `npm run verify -- ${environment} · npm run status -- ${environment} · npm run releases -- ${environment}`,
    ],
  ];
  return {
    result: {
      release: outcome.release,
      from: outcome.from,
      tag: outcome.tag,
      databaseStrategy: outcome.databaseStrategy,
      steps,
      server: { version: version?.outcome === "passed" ? version.detail : null },
      url,
      changes: outcome.changes,
      checks: outcome.checks,
      database: {
        revision: schema.revision?.join(" ") ?? null,
        heads: schema.heads,
        action: outcome.databaseStrategy,
      },
      retained: outcome.retained,
      strategy: outcome.strategy,
      downtimeSeconds: outcome.downtimeSeconds,
      expectedPauseSeconds: outcome.expectedPauseSeconds,
      rehearsal: outcome.rehearsal,
      bake: outcome.bake,
    },
    text: `\n${environment}: ${headline}\n\n${table(rows)}`,
  };
}

const words = { worse: "worse", fine: "no worse", unjudged: "not judged" } as const;

function describeDeployStrategy({ strategy, downtimeSeconds }: RolloutOutcome): string {
  if (downtimeSeconds === null) return "the server was not touched";
  const seconds = `${downtimeSeconds.toFixed(1)} s`;
  if (strategy === "blue-green") {
    const held =
      downtimeSeconds > 0 ? `, paused for ${seconds} at most while the database was migrated` : "";
    return `answered by the old server and then the new one${held}`;
  }
  return strategy === "pause" ? `paused for ${seconds} at most` : `downtime ${seconds}`;
}

function describeDatabaseStrategy({ databaseStrategy, decision }: RolloutOutcome): string {
  const at = decision.schema.heads.join(", ");
  const strategies: Record<string, string> = {
    none: `at ${at}, as before`,
    migrate: `migrated to ${at}`,
    keep: "the newer schema stays; no row was lost",
    copy: `the present rows in the older schema, at ${at}; the previous database is retained`,
    downgrade: `downgraded to ${at}; the previous database is retained`,
    restore: `as it was in the backup, at ${at}; the previous database is retained`,
  };
  return strategies[databaseStrategy ?? "none"] ?? "";
}

/**
 * How a verification that did not end its command is shown: whatever of the server had failed
 * would have.
 * @returns words for the headline, and a row about telemetry that does not arrive
 */
function verificationSummary(checks: readonly Check[], environment: string) {
  const degraded = checks.filter((one) => one.outcome === "failed").map((one) => one.name);
  if (degraded.length === 0) return { verified: "verified", rows: [] };
  const row = ["telemetry", `degraded: ${degraded.join(", ")}; npm run doctor -- ${environment}`];
  return { verified: "its server verified", rows: [row] };
}

/** What a person wants to know when the stack stands: what runs, where, and what next. */
export function upSummary(settings: Settings, outcome: UpOutcome): string {
  const environment = settings.environment;
  const changed = outcome.changes.filter((one) => one.action !== "none");
  const { stack } = outcome.prepared;
  const reported = verificationSummary(outcome.checks, environment);
  const rows = stack.services
    .filter((service) => service.kind === "service")
    .map((service) => [
      service.name,
      service.image,
      service.ports.map((port) => `${port.host}:${port.published}`).join(" "),
    ]);
  const headline =
    changed.length === 0
      ? `nothing to do: release ${outcome.release} runs`
      : `release ${outcome.release} runs, ${reported.verified}`;
  const facts = [
    [
      "server",
      `${clientUrl(stack, settings.get("PROXY_DOMAIN"))}  (version ${settings.get("LETTA_VERSION")})`,
    ],
    [
      "telemetry",
      `OTLP gRPC 127.0.0.1:${settings.get("OTEL_GRPC_PORT")}, HTTP 127.0.0.1:${settings.get("OTEL_HTTP_PORT")}`,
    ],
    ...reported.rows,
    ["traces", `npm run traces -- ${environment}`],
    ...(settings.has("GRAFANA_URL")
      ? [["Grafana", `${settings.get("GRAFANA_URL")}  (admin)`]]
      : []),
    ["logs", `npm run logs -- ${environment} server`],
    ["credentials", settings.secretsFile],
    [
      "next",
      `npm run verify -- ${environment} · npm run status -- ${environment} · npm run down:${environment}`,
    ],
  ];
  return `\n${environment}: ${headline}\n\n${table(rows)}\n${table(facts)}`;
}
