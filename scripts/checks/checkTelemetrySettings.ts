import type { SettingName } from "../settings/settingDefinitions.ts";
import { isSigNozCloud } from "../settings/telemetrySettings.ts";
import { backendNames, type Profile } from "../stack/fragments.ts";
import { checkVersion, listSteps, triedVersions } from "../stack/versionSteps.ts";
import { type CheckResult, failed, type Finding, passed, skipped } from "./check.ts";

/** What is asked about an environment's exporters. */
interface ExporterSettings {
  readonly environment: string;
  /** Where telemetry goes by these settings. */
  readonly profile: Profile;
  /** A setting, "" where it is unset. */
  readonly get: (name: SettingName) => string;
}

/**
 * Whether what each exporter needs is set together: half of it makes the telemetry go somewhere
 * else, without a word.
 */
export function checkTelemetrySettings(input: ExporterSettings): Finding[] {
  return [
    { name: "ClickHouse settings", ...clickHouse(input) },
    { name: "SigNoz settings", ...signoz(input) },
    { name: "Datadog settings", ...datadog(input) },
  ];
}

function clickHouse({ profile, get, ...input }: ExporterSettings): CheckResult {
  const names = [
    "CLICKHOUSE_ENDPOINT",
    "CLICKHOUSE_DATABASE",
    "CLICKHOUSE_USERNAME",
    "CLICKHOUSE_PASSWORD",
  ] as const;
  const half = halfSet(names, { profile, get, ...input });
  if (half !== undefined) return half;
  const [endpoint, database, writer] = names.map(get);
  const reader = get("CLICKHOUSE_READER_USERNAME");
  return passed(`${writer} writes to ${database} at ${endpoint}, ${reader} reads`);
}

function signoz(input: ExporterSettings): CheckResult {
  const endpoint = input.get("SIGNOZ_ENDPOINT");
  const isOwn = endpoint !== "" && !isSigNozCloud(endpoint);
  const half = isOwn ? undefined : halfSet(["SIGNOZ_ENDPOINT", "SIGNOZ_INGESTION_KEY"], input);
  if (half !== undefined) return half;
  if (input.profile === "clickhouse") return skipped("ClickHouse is set too, and comes first");
  return passed(input.get("SIGNOZ_ENDPOINT"));
}

function datadog({ get, environment }: ExporterSettings): CheckResult {
  const others = (["DD_SITE", "DD_URL"] as const).filter((name) => get(name) !== "");
  if (get("DD_API_KEY") === "") {
    if (others.length === 0) return skipped("DD_API_KEY is not set");
    const detail = `DD_API_KEY: expected a key, as ${others.join(" and ")} is set`;
    return failed(detail, explain(environment, "DD_API_KEY"));
  }
  return passed(get("DD_URL") || `the site ${get("DD_SITE") || "datadoghq.com"}`);
}

/** @returns undefined where all of them are set */
function halfSet(
  names: readonly SettingName[],
  { get, profile, environment }: ExporterSettings,
): CheckResult | undefined {
  const set = names.filter((name) => get(name) !== "");
  const [missing, ...others] = names.filter((name) => get(name) === "");
  if (missing === undefined) return undefined;
  if (set.length === 0) return skipped(`none is set: telemetry goes to ${backendNames[profile]}`);
  const all = [missing, ...others].join(", ");
  const detail = `${all}: expected a value, as ${set.join(", ")} is set; now telemetry goes to ${backendNames[profile]}`;
  return failed(detail, explain(environment, missing));
}

function explain(environment: string, name: SettingName): string {
  return `npm run settings -- ${environment} --explain ${name}`;
}

/** From letta/otel/tracing.py of 0.16.8, `trace_method`: what it puts on a span of a method. */
const leftOut = [
  "agent_state",
  "messages",
  "in_context_messages",
  "message_sequence",
  "content",
  "tool_returns",
  "memory",
  "sources",
  "context",
  "source_code",
  "system",
  "text_chunks",
  "embeddings",
  "embedding",
  "file_bytes",
  "chunks",
];

/** What is missing on spans on purpose: by the server, and by this project's settings. */
export function checkParameters(removed: string, samplingPercent: string): CheckResult {
  const byUs = removed === "" ? "nothing" : `what matches ${removed}`;
  const sampled = Number(samplingPercent || 100);
  return passed(`cut by the server on purpose, taken out here: ${byUs}`, [
    `the server names these parameters without their content: ${leftOut.join(", ")}`,
    "it cuts a parameter after 2 MiB, and leaves out the rest of a span's after 4 MiB (parameters.truncated)",
    removed === ""
      ? "OTEL_REMOVED_ATTRIBUTES is empty: nothing is taken out here"
      : `OTEL_REMOVED_ATTRIBUTES takes attributes out by name, and http.url loses its query`,
    ...(sampled < 100 ? [`OTEL_SAMPLING_PERCENT keeps ${sampled} of a hundred traces`] : []),
  ]);
}

/** Whether the collector's version may be used, and what lies between it and the newest. */
export function checkCollectorVersion(version: string, environment: string): CheckResult {
  const [refused, ...others] = checkVersion(version);
  if (refused !== undefined) {
    const detail = [refused, ...others].join("; ");
    return failed(detail, `npm run settings -- ${environment} --explain OTEL_VERSION`);
  }
  const { newest } = triedVersions;
  const steps = listSteps(version, newest);
  if (steps.length === 0) return passed(`${version}, the newest that was tried`);
  return passed(
    `${version}; ${steps.length} things change on the way to ${newest}`,
    steps.map(
      ({ version: at, description, sql }) =>
        `${at}: ${description}${sql.length > 0 ? " (SQL)" : ""}`,
    ),
  );
}

/** A certificate, as a client sees it. */
export interface CertificateSeen {
  readonly names: string;
  readonly issuer: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

const dayMs = 86_400_000;
/** What is left of a certificate of one's own when it is time to see to it. */
const warnMs = 14 * dayMs;
/** Caddy renews when a third of the lifetime is left: with less than this that has failed. */
const warnShare = 1 / 6;

/** Whether the proxy's certificate is valid, and will be until it can be renewed. */
export function checkCertificate(
  { names, issuer, fromMs, untilMs }: CertificateSeen,
  nowMs: number,
  next: string,
): CheckResult {
  const description = `for ${names} by ${issuer}`;
  const until = new Date(untilMs).toISOString().slice(0, 16).replace("T", " ");
  if (nowMs < fromMs) {
    return failed(`${description}: not valid before ${new Date(fromMs).toISOString()}`, next);
  }
  if (nowMs >= untilMs) return failed(`${description}: ran out at ${until} UTC`, next);
  const leftMs = untilMs - nowMs;
  const left = leftMs < 2 * dayMs ? `${hours(leftMs)} hours` : `${Math.floor(leftMs / dayMs)} days`;
  if (leftMs < Math.min(warnMs, (untilMs - fromMs) * warnShare)) {
    return failed(
      `${description}: runs out in ${left}, at ${until} UTC; nothing has renewed it`,
      next,
    );
  }
  return passed(`${description}, valid until ${until} UTC (${left})`);
}

const hours = (ms: number) => (ms / 3_600_000).toFixed(0);

/** What a clock elsewhere showed, and what this machine's showed before and after asking. */
export interface ClockSeen {
  readonly where: string;
  readonly atMs: number;
  /** How exact it is, in milliseconds. */
  readonly stepMs: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** Below it, order and age of telemetry from two machines can still be compared. */
const toleratedMs = 2000;

/** Whether the clocks of all parts agree with this machine's: times are compared between them. */
export function checkClock(clocks: readonly ClockSeen[], next: string): CheckResult {
  if (clocks.length === 0) return skipped("no other clock could be read");
  const differences = clocks.map((one) => ({ where: one.where, ms: difference(one) }));
  const off = differences.filter((one) => Math.abs(one.ms) > toleratedMs);
  const reported = differences.map(({ where, ms }) => `${where} ${(ms / 1000).toFixed(1)} s`);
  if (off.length === 0) return passed(`differences: ${reported.join(", ")}`);
  const which = off.map((one) => one.where).join(", ");
  return failed(
    `${which}: expected less than ${toleratedMs / 1000} s of difference, got ${reported.join(", ")}; what it writes has another time, and is found late or not`,
    next,
  );
}

/** How far it is ahead, as little as what was seen allows. */
function difference({ atMs, stepMs, beforeMs, afterMs }: ClockSeen): number {
  if (atMs > afterMs) return atMs - afterMs;
  if (atMs + stepMs < beforeMs) return atMs + stepMs - beforeMs;
  return 0;
}
