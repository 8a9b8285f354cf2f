import { lackText } from "../database/judgeDatabase.ts";
import { adminRole, type Roles } from "../database/roles.ts";
import { readReleaseFile, type Release } from "../ledger/releases.ts";
import type { Target } from "../preparation/target.ts";
import { ownNames } from "../stack/proxyTls.ts";
import { longestHold } from "../stack/proxyUpstream.ts";
import type { Decision } from "./decide.ts";
import { describeCollector } from "./describeCollector.ts";
import { describeGate } from "./describeGate.ts";
import type { SchemaPlan } from "./planSchema.ts";
import { plannedCutover } from "./plannedCutover.ts";
import { settingsText } from "./settingsText.ts";

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
    ...(touched.length === 0 ? ["no part changes"] : []),
    ...touched.map((one) => `${one.action} ${one.service}: ${one.causes.join(", ")}`),
  ];
  if (present !== undefined) {
    lines.push(
      ...(await difference("settings", past("settings.env"), settingsText(target.settings))),
      ...(await difference("collector", past("collector.yaml"), target.prepared.collector)),
      ...describeCollector(settingIn(past("settings.env"), "OTEL_VERSION"), target.settings),
      ...(target.restores === null ? [] : ["secrets stay the present ones"]),
    );
  }
  const serving = decision.situation.observed.find(
    (one) => one.service === target.prepared.stack.server.service && one.state === "running",
  );
  const isReplaced = changes.some(
    (one) => one.service === serving?.service && one.action === "recreate",
  );
  if (present === undefined && serving !== undefined && isReplaced) {
    lines.push(
      `automatic rollback: none, as this state directory has no release of what runs; if this fails, ${serving.name} does not come back`,
    );
  }
  return [
    ...lines,
    ...describeSchema(schema),
    ...decision.limits.map((one) => `database limit: ${lackText(one)} (${one.next})`),
    ...(decision.separatesRoles ? [describeRoles(decision.situation.roles!)] : []),
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
  const { action, migrations, ways } = schema;
  const isFresh = schema.revision === undefined || schema.revision.length === 0;
  const isAhead = ways.length > 0;
  const listed = action === "migrate" ? migrations : migrations.slice(0, mostMigrations);
  const rest = migrations.length - listed.length;
  const titles = listed.map((one) => `  ${isAhead ? "ahead by " : ""}${one.id} ${one.title}`);
  const isSettled = ways.some((one) => one.way === action && one.state === "proven");
  return [
    `database: ${words[action]}: ${schema.why}`,
    ...(isFresh || isSettled ? [] : titles),
    ...(isFresh || isSettled || rest === 0 ? [] : [`  … and ${rest} more`]),
    ...ways
      .filter((one) => !isSettled || one.way === action)
      .map((one) => `  --database ${one.way} (${one.state}): ${one.detail}`),
  ];
}

const words: Record<SchemaPlan["action"], string> = {
  none: "stays as it is",
  migrate: "is migrated",
  keep: "stays, and the older server serves on it",
  carry: "its rows go into the older schema",
  downgrade: "is downgraded",
  restore: "comes back from a backup",
  refuse: "cannot be served on",
};

/** What a request meets meanwhile, why, and for how long. */
function describeInterruption(
  decision: Decision,
  present: Release | undefined,
  target: Target,
): string {
  const { cutover, why } = plannedCutover(target, decision);
  if (present === undefined || cutover === "none") return "interruption: none of the server";
  if (cutover === "overlap") {
    return `interruption: none: the new server takes over from the old one beside it (${why})`;
  }
  const boot = (present.rehearsal as { bootSeconds?: number } | null)?.bootSeconds;
  const known = boot === undefined ? "" : `, which took ${boot.toFixed(0)} s when it was rehearsed`;
  const { action } = decision.schema;
  const work = `${action === "none" ? "stop and boot" : `stop, ${action} and boot`}${known}`;
  if (cutover !== "hold")
    return `interruption: for as long as the server takes to ${work} (${why})`;
  const waits = `interruption: none: requests wait at the proxy, ${holdMax(target)} at most, while`;
  // Then the rehearsal tries it, and the old server may go on serving.
  return plannedCutover(target, decision, true).cutover === "overlap"
    ? `${waits} the database is migrated; also while the server takes to stop and boot${known}, unless the rehearsal shows that the old one can serve beside the new one`
    : `${waits} the server takes to ${work} (${why})`;
}

function holdMax({ settings }: Target): string {
  return settings.get("HOLD_MAX") || longestHold;
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
