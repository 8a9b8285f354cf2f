import type { UpOutcome } from "../deploy/up.ts";
import type { Settings } from "../settings/readSettings.ts";
import { table } from "./table.ts";
import { verificationSummary } from "./verificationSummary.ts";

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
      `http://127.0.0.1:${settings.get("PORT")}  (version ${settings.get("LETTA_VERSION")})`,
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
