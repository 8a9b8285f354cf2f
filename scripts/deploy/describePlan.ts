import { Problem } from "../common/problem.ts";
import { lackText } from "../database/assertDatabase.ts";
import { adminRole, type Roles } from "../database/roles.ts";
import type { Settings } from "../settings/readSettings.ts";
import { longestPause, ownNames } from "../stack/proxyConfiguration.ts";
import { readDelivery } from "../stack/readDelivery.ts";
import { listSteps } from "../stack/versionSteps.ts";
import type { Release } from "../state/release.ts";
import { readReleaseFile } from "../state/releases.ts";
import { marginsOf } from "./bake.ts";
import { type Decision, plannedStrategy } from "./decide.ts";
import { settingsText } from "./describeRelease.ts";
import type { SchemaPlan } from "./planSchema.ts";
import { requestSource } from "./requestFigures.ts";
import type { Target } from "./target.ts";

/** How many lines of a difference are shown; the rest can be read in the release itself. */
const mostLines = 40;

/**
 * A decision as people read it before they confirm it, and as tests compare it: what changes
 * and why, differences of settings and configuration, the schema, and for how long no server
 * answers. No secret is in it.
 * @param present the release that serves, whose texts are compared
 */
export async function describePlan(
  target: Target,
  decision: Decision,
  present: Release | undefined,
  directory: string,
): Promise<string[]> {
  const { changes, schema } = decision;
  const touched = changes.filter((one) => one.action !== "none");
  const origin = present && (present.restores ?? present.id);
  const past = (name: "settings.env" | "collector.yaml" | "Caddyfile") =>
    origin === undefined ? "" : (readReleaseFile(directory, origin, name) ?? "");
  const lines = [
    `${present ? `${present.tag} (release ${present.id})` : "nothing"} → ${target.settings.get("LETTA_VERSION")}`,
    ...(touched.length === 0 ? ["no service changes"] : []),
    ...touched.map((one) => `${one.action} ${one.service}: ${one.causes.join(", ")}`),
  ];
  if (present !== undefined) {
    lines.push(
      ...(await difference("settings", past("settings.env"), settingsText(target.settings))),
      ...(await difference("collector", past("collector.yaml"), target.prepared.collector)),
      ...describeCollector(settingIn(past("settings.env"), "OTEL_VERSION"), target.settings),
      ...(target.restores === null ? [] : ["secrets: the present ones"]),
    );
  }
  const serving = decision.currentState.observed.find(
    (one) => one.service === target.prepared.stack.server.service && one.state === "running",
  );
  const isReplaced = changes.some(
    (one) => one.service === serving?.service && one.action === "recreate",
  );
  if (present === undefined && serving !== undefined && isReplaced) {
    lines.push(
      `automatic rollback: none, because this state directory has no release of ${serving.name}`,
    );
  }
  return [
    ...lines,
    ...describeSchema(schema),
    ...decision.limits.map((one) => `database limit: ${lackText(one)} (${one.next})`),
    ...(decision.separatesRoles ? [describeRoles(decision.currentState.roles!)] : []),
    describeInterruption(decision, present, target),
    ...describeCertificate(target, decision),
    ...describeGate(target, present, schema.action === "migrate"),
  ];
}

/** Whom the certificate of the proxy's own CA is good for: other clients refuse it. */
function describeCertificate({ settings, prepared }: Target, { changes }: Decision): string[] {
  const isTouched = changes.some(
    ({ service, action }) => service.startsWith("proxy") && action !== "none",
  );
  if (!isTouched || settings.has("PROXY_CERT_FILE") || settings.has("PROXY_DOMAIN")) return [];
  const names = [...ownNames(settings.lookup), "localhost", "127.0.0.1"].join(", ");
  const ca = `docker cp ${prepared.stack.project}-proxy-1:/data/caddy/pki/authorities/local/root.crt .`;
  return [
    `certificate: of the proxy's own CA, for ${names} (more: PROXY_NAMES); what clients have to trust: ${ca}`,
  ];
}

function describeRoles({ application }: Roles): string {
  return `database roles: ${application} stops being a superuser and owns its database alone; the tool's own role is ${adminRole}. Tried on a copy first; if the deploy fails, ${application} gets its rights back`;
}

/** A setting as a release's settings.env has it, "" where it has none. */
function settingIn(text: string, name: string): string {
  return new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
}

/** Of the migrations between: enough to know which release's they are. */
const mostMigrations = 6;

/** What happens to the database, and where that is open, what else could. */
export function describeSchema(schema: SchemaPlan): string[] {
  const { action, migrations, strategies } = schema;
  const isFresh = schema.revision === undefined || schema.revision.length === 0;
  const isAhead = strategies.length > 0;
  const listed = action === "migrate" ? migrations : migrations.slice(0, mostMigrations);
  const rest = migrations.length - listed.length;
  const titles = listed.map((one) => `  ${isAhead ? "ahead by " : ""}${one.id} ${one.title}`);
  const isSettled = strategies.some(
    (one) => one.databaseStrategy === action && one.state === "verified",
  );
  return [
    `database: ${words[action]}: ${schema.why}`,
    ...(isFresh || isSettled ? [] : titles),
    ...(isFresh || isSettled || rest === 0 ? [] : [`  … and ${rest} more`]),
    ...strategies
      .filter((one) => !isSettled || one.databaseStrategy === action)
      .map((one) => `  --database ${one.databaseStrategy} (${one.state}): ${one.detail}`),
  ];
}

const words: Record<SchemaPlan["action"], string> = {
  none: "stays as it is",
  migrate: "is migrated",
  keep: "unchanged; the older server runs on it",
  copy: "its rows are copied into the older schema",
  downgrade: "is downgraded",
  restore: "is restored from a backup",
  refuse: "cannot be used",
};

/** What a request meets meanwhile, why, and for how long. */
function describeInterruption(
  decision: Decision,
  present: Release | undefined,
  target: Target,
): string {
  const { strategy, why } = plannedStrategy(target, decision);
  if (present === undefined || strategy === "none") return "downtime: none";
  if (strategy === "blue-green") {
    return `downtime: none (the new server starts next to the old one and takes over: ${why})`;
  }
  const boot = (present.rehearsal as { bootSeconds?: number } | null)?.bootSeconds;
  const known = boot === undefined ? "" : `, which took ${boot.toFixed(0)} s when it was rehearsed`;
  const { action } = decision.schema;
  const work = `${action === "none" ? "stop and boot" : `stop, ${action} and boot`}${known}`;
  if (strategy !== "pause") return `downtime: for as long as the server takes to ${work} (${why})`;
  const waits = `downtime: none: requests wait at the proxy, ${pauseTimeout(target)} at most, while`;
  // Then the rehearsal tries it, and the old server may go on serving.
  return plannedStrategy(target, decision, true).strategy === "blue-green"
    ? `${waits} the database is migrated; also while the server takes to stop and boot${known}, unless the rehearsal shows that the old one can serve alongside the new one`
    : `${waits} the server takes to ${work} (${why})`;
}

function pauseTimeout({ settings }: Target): string {
  return settings.get("PAUSE_TIMEOUT") || longestPause;
}

async function difference(what: string, before: string, after: string): Promise<string[]> {
  if (before === after) return [];
  const { diffLines } = await import("diff");
  const marked = diffLines(before, after).flatMap((part) =>
    part.added || part.removed
      ? part.value
          .trimEnd()
          .split("\n")
          .map((line) => `  ${part.added ? "+" : "-"} ${line}`)
      : [],
  );
  const rest = marked.length - mostLines;
  return [
    `${what}:`,
    ...marked.slice(0, mostLines),
    ...(rest > 0 ? [`  … and ${rest} more lines`] : []),
  ];
}

/**
 * What another version of the collector brings with it, as a plan tells it: each step with its
 * source, and what has to be done to ClickHouse's tables, by the tool or by hand.
 * @param from the version that runs; "" where none does
 * @param settings of what is to run
 */
function describeCollector(from: string, settings: Settings): string[] {
  const to = settings.get("OTEL_VERSION");
  if (from === "" || from === to) return [];
  const steps = listSteps(from, to);
  const sql = settings.has("CLICKHOUSE_ENDPOINT") ? steps.flatMap((one) => one.sql) : [];
  const bundled = settings.get("CLICKHOUSE_MODE") === "bundled";
  const tables = bundled
    ? [`  ClickHouse's tables are altered before it starts: ${sql.length} statements`]
    : [
        `  first, on ClickHouse's database ${settings.get("CLICKHOUSE_DATABASE")}:`,
        ...sql.map((one) => `    ${one};`),
      ];
  return [
    `collector ${from} → ${to}: its queue is drained and copied before`,
    ...steps.map((one) => `  ${one.version}: ${one.description} (${one.source})`),
    ...(sql.length > 0 ? tables : []),
  ];
}

/** What the bake gate will do, for the plan; nothing where it is off or there is no before. */
export function describeGate(
  { settings, restores }: Target,
  present: Release | undefined,
  migrates: boolean,
): string[] {
  if (restores !== null || present === undefined) return [];
  if (settings.get("BAKE_GATE") !== "true") return [];
  const { requests, points, factor } = marginsOf(settings);
  const end = migrates
    ? "the release stays, because the schema changes, and the deploy ends with exit code 5"
    : `the deploy rolls back to ${present.tag}`;
  return [
    `bake gate: ${settings.get("BAKE_TIME")}; where of ${requests} requests or more over ${points} points more fail than before, or the p95 is over ${factor} times as long, ${end}`,
  ];
}

/**
 * A gate that cannot see is none.
 * @throws Problem TELEMETRY_UNREADABLE where BAKE_GATE is on and no sink of traces can be asked
 */
export function assertGated({ settings, prepared }: Target, present: Release | undefined): void {
  if (present === undefined || settings.get("BAKE_GATE") !== "true") return;
  const delivery = readDelivery(prepared.collector);
  if (requestSource(delivery) !== undefined) return;
  const ends = delivery.routes.filter((one) => one.signal === "traces").map((one) => one.exporter);
  throw new Problem(
    "TELEMETRY_UNREADABLE",
    `BAKE_GATE is true, and no sink of traces can be read back (${ends.join(", ")})`,
    { next: `set BAKE_GATE=false in env/${settings.environment}.env` },
  );
}

/**
 * A database that the image cannot serve on, and no verified strategy.
 * @throws Problem ROLLBACK_UNSAFE with the ways, REVISION_UNKNOWN
 */
export function assertSafe(
  { schema }: Decision,
  settings: Settings,
  command: "deploy" | "rollback",
): void {
  if (schema.action !== "refuse") return;
  if (schema.strategies.length === 0) {
    throw new Problem("REVISION_UNKNOWN", schema.why, {
      details: [`the image's head is ${schema.heads.join(", ")}`],
      next: `npm run releases -- ${settings.environment}`,
    });
  }
  const tag = settings.get("LETTA_VERSION");
  const env = settings.environment === "prod" ? "" : ` --env ${settings.environment}`;
  throw new Problem("ROLLBACK_UNSAFE", `${command} refused, nothing was touched: ${schema.why}`, {
    details: describeSchema(schema).slice(1),
    next: `npm run rollback -- ${tag} --database auto${env}`,
  });
}
