// What a finished or killed run was: read from the journal, the release's files and the evidence.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { plainText, redaction } from "../common/redaction.ts";
import { parseEnvFile } from "../settings/envFile.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isSettingName, settingDefinitions } from "../settings/settingDefinitions.ts";
import { readStack } from "../stack/readStack.ts";
import type { Context } from "../state/context.ts";
import { type Entry, journalBackwards } from "../state/journal.ts";
import type { Release } from "../state/release.ts";
import { readReleaseFile, readReleases } from "../state/releases.ts";
import { deviceId, readKey } from "../state/secretKey.ts";
import { labelParts } from "./prepareStack.ts";
import { type RequestFigures, requestFigures, requestSource } from "./requestFigures.ts";
import { errorExcerpt } from "./waitFor.ts";
import { expectationOf } from "./verifyRelease.ts";

/** A step of the run, in milliseconds since 1970. */
export interface ReportStep {
  readonly name: string;
  readonly fromMs: number;
  /** The last line of the run where the step did not end. */
  readonly toMs: number;
  readonly outcome: "done" | "failed" | "interrupted";
  readonly detail: string;
}

export interface ReportChange {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** Everything a report shows. Secrets are redacted, control characters are gone. */
export interface Report {
  readonly environment: string;
  readonly project: string;
  readonly command: string;
  /** The run's id in the journal. */
  readonly run: string;
  readonly by: string;
  readonly reason: string;
  /** When it began and ended: ISO 8601, UTC. */
  readonly begun: string;
  readonly ended: string;
  readonly seconds: number;
  readonly outcome: "done" | "failed" | "interrupted";
  /** The outcome in one sentence. */
  readonly sentence: string;
  readonly steps: readonly ReportStep[];
  readonly release: Pick<
    Release,
    | "id"
    | "tag"
    | "created"
    | "kind"
    | "outcome"
    | "databaseStrategy"
    | "revision"
    | "heads"
    | "backup"
  > | null;
  readonly from: { readonly id: string; readonly tag: string } | null;
  readonly images: readonly ReportChange[];
  readonly settings: readonly ReportChange[];
  /** Unified diffs by file. */
  readonly diffs: readonly { readonly file: string; readonly text: string }[];
  readonly migrations: readonly { readonly revision: string; readonly title: string }[];
  readonly rehearsal: readonly (readonly [what: string, value: string])[];
  /** What failed or did worse, as recorded. */
  readonly findings: readonly string[];
  readonly logs: readonly { readonly service: string; readonly lines: readonly string[] }[];
  /** In equal stretches around the run. */
  readonly requests: readonly RequestFigures[];
  /** Commands to go on with. */
  readonly next: readonly string[];
  /** What this report lacks, and why. */
  readonly missing: readonly string[];
}

/** Stands for the newest run that failed. */
export const lastFailed = "last failed";

/** Before and after a run, requests are shown for as long as it took, within these limits. */
const leastAroundMs = 60_000;
const mostAroundMs = 600_000;
const stretches = 60;

/**
 * What a run was.
 * @param requested a release's id, a run's id, "last" or `lastFailed`
 * @throws Problem RELEASE_UNKNOWN where no such run is in the journal
 */
export async function gatherReport(
  settings: Settings,
  requested: string,
  context: Context,
): Promise<Report> {
  const directory = join(settings.stateDir, settings.environment);
  const releases = existsSync(directory) ? readReleases(directory) : [];
  const { entries, damaged } = findRun(directory, requested, releases);
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined) {
    throw new Problem("RELEASE_UNKNOWN", `expected a release or a run, got ${requested}`, {
      next: `npm run history -- ${settings.environment}`,
    });
  }
  const [fromMs, toMs] = [Date.parse(first.at), Date.parse(last.at)];
  const release =
    releases.find((one) => one.id === requested) ??
    releases.find((one) => one.id === last.release) ??
    releases.findLast((one) => isWithin(one, fromMs, toMs));
  const from = releases.find((one) => one.id === (release?.from ?? last.from));
  const ended = entries.findLast((one) => one.step === "" && one.event !== "begin");
  const outcome = ended === undefined ? "interrupted" : ended.event === "done" ? "done" : "failed";
  const { requests, why } = await requestsAround(
    settings,
    directory,
    release,
    fromMs,
    toMs,
    context,
  );
  const report: Report = {
    environment: settings.environment,
    project: settings.project,
    command: first.command.split(":")[0]!,
    run: first.run,
    by: first.by ?? "unknown",
    reason: first.reason ?? "",
    begun: first.at,
    ended: last.at,
    seconds: ended?.seconds ?? Math.max(0, toMs - fromMs) / 1000,
    outcome,
    sentence: sentenceOf(first, ended, release),
    steps: stepsOf(entries),
    release: release ?? null,
    from: from === undefined ? null : { id: from.id, tag: from.tag },
    images: imageChanges(from, release),
    settings: settingChanges(directory, from, release),
    diffs: await fileDiffs(directory, from, release),
    migrations: Object.entries(release?.titles ?? {}).map(([revision, title]) => ({
      revision,
      title,
    })),
    rehearsal: rehearsalRows(release?.rehearsal),
    findings: [
      ...(release?.unverified ?? []).map((one) => `fails as before: ${one}`),
      ...(release?.worse === undefined ? [] : [`worse than before: ${release.worse}`]),
    ],
    logs: failedLogs(directory, release),
    requests,
    next: [
      `npm run verify -- ${settings.environment}`,
      `npm run history -- ${settings.environment}`,
      ...(outcome === "failed" ? [`npm run doctor -- ${settings.environment}`] : []),
    ],
    missing: [
      ...(why === undefined ? [] : [`requests during the run: ${why}`]),
      ...(damaged === 0 ? [] : [`${damaged} damaged lines of the journal`]),
      ...(ended === undefined ? ["the run's end: it was killed, or still runs"] : []),
      ...(release === undefined ? ["a release: the run made none, or it was removed"] : []),
    ],
  };
  return redacted(report, settings);
}

/** A run's lines, oldest first. */
function findRun(directory: string, requested: string, releases: readonly Release[]) {
  const created = releases.find((one) => one.id === requested)?.created;
  const entries: Entry[] = [];
  let damaged = 0;
  for (const entry of journalBackwards(directory)) {
    if (entry === undefined) {
      damaged += 1;
      continue;
    }
    const other = entries[0];
    if (other !== undefined && other.run !== entry.run) {
      if (isRequested(entries, requested, created)) break;
      entries.length = 0;
    }
    entries.unshift(entry);
  }
  return isRequested(entries, requested, created) ? { entries, damaged } : { entries: [], damaged };
}

function isRequested(entries: readonly Entry[], requested: string, created: string | undefined) {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return false;
  if (requested === "last" || first.run === requested) return true;
  if (requested === lastFailed) return last.step === "" && last.event === "failed";
  // Commands that make none name the release that serves: the run that made it is meant.
  if (created !== undefined) return first.at <= created && created <= last.at;
  return last.release === requested;
}

function isWithin({ created }: Release, fromMs: number, toMs: number): boolean {
  const at = Date.parse(created);
  return fromMs <= at && at <= toMs;
}

function sentenceOf(first: Entry, ended: Entry | undefined, release: Release | undefined): string {
  const what = first.command.replace(":", " ");
  if (ended === undefined) return `${what} was interrupted`;
  if (ended.event === "failed") return `${what} failed: ${ended.message ?? "no reason recorded"}`;
  return release === undefined ? `${what} is done` : `release ${release.id} (${release.tag}) runs`;
}

/** Pairs each step's beginning with its end. */
function stepsOf(entries: readonly Entry[]): ReportStep[] {
  const open = new Map<string, number>();
  const steps: ReportStep[] = [];
  const lastMs = Date.parse(entries.at(-1)!.at);
  for (const { step, event, at, detail, message } of entries) {
    if (step === "") continue;
    const ms = Date.parse(at);
    if (event === "begin") {
      open.set(step, steps.length);
      steps.push({ name: step, fromMs: ms, toMs: lastMs, outcome: "interrupted", detail: "" });
      continue;
    }
    const place = open.get(step);
    if (place === undefined) continue;
    open.delete(step);
    steps[place] = { ...steps[place]!, toMs: ms, outcome: event, detail: detail ?? message ?? "" };
  }
  return steps;
}

function imageChanges(from: Release | undefined, to: Release | undefined): ReportChange[] {
  const nameOf = (release: Release | undefined, service: string) => {
    const one = release?.services[service];
    return one === undefined ? "" : (one.name ?? one.image);
  };
  const services = Object.keys({ ...from?.services, ...to?.services }).sort();
  return services.flatMap((name) => {
    const [before, after] = [nameOf(from, name), nameOf(to, name)];
    return before === after ? [] : [{ name, before, after }];
  });
}

/** Of what is stored: no secret is. */
function settingChanges(
  directory: string,
  from: Release | undefined,
  to: Release | undefined,
): ReportChange[] {
  const of = (release: Release | undefined) => {
    const text = fileOf(directory, release, "settings.env");
    return new Map(
      parseEnvFile(text, "settings.env").assignments.map(({ name, value }) => [name, value]),
    );
  };
  const [before, after] = [of(from), of(to)];
  const secrets = Object.keys({ ...from?.secrets, ...to?.secrets })
    .filter((name) => from?.secrets[name] !== to?.secrets[name])
    .map((name) => ({
      name,
      before: from?.secrets[name] === undefined ? "" : "a secret",
      after: to?.secrets[name] === undefined ? "" : "another secret",
    }));
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  const changed = names.flatMap((name) => {
    const [old = "", now = ""] = [before.get(name), after.get(name)];
    // One that became a secret since may stand in an old release's file.
    const isSecret = isSettingName(name) && settingDefinitions[name].secret === true;
    return old === now || isSecret ? [] : [{ name, before: old, after: now }];
  });
  return from === undefined || to === undefined ? [] : [...changed, ...secrets];
}

function fileOf(
  directory: string,
  release: Release | undefined,
  name: "compose.yaml" | "collector.yaml" | "settings.env",
): string {
  return release === undefined ? "" : (readReleaseFile(directory, release.id, name) ?? "");
}

async function fileDiffs(
  directory: string,
  from: Release | undefined,
  to: Release | undefined,
): Promise<Report["diffs"]> {
  if (from === undefined || to === undefined) return [];
  const { createTwoFilesPatch } = await import("diff");
  return (["compose.yaml", "collector.yaml"] as const).flatMap((file) => {
    const [before, after] = [fileOf(directory, from, file), fileOf(directory, to, file)];
    if (before === after) return [];
    return [
      { file, text: createTwoFilesPatch(from.id, to.id, before, after, "", "", { context: 2 }) },
    ];
  });
}

/** The rehearsal's figures that people know by name; its manifest may be of an earlier version. */
function rehearsalRows(rehearsal: unknown): Report["rehearsal"] {
  if (typeof rehearsal !== "object" || rehearsal === null) return [];
  const seen = rehearsal as Readonly<Record<string, unknown>>;
  const seconds = (name: string) =>
    typeof seen[name] === "number" ? `${(seen[name] as number).toFixed(1)} s` : undefined;
  const check = seen["rollbackCheck"] as { passed?: boolean; detail?: string } | undefined | null;
  const rows: [string, string | undefined][] = [
    ["migrations on the copy", seconds("migrateSeconds")],
    ["copy of the database", seconds("copySeconds")],
    ["boot of the new server", seconds("bootSeconds")],
    [
      "rollback",
      check ? `${check.passed ? "verified" : "not verified"}: ${check.detail ?? ""}` : undefined,
    ],
  ];
  return rows.flatMap(([what, value]) => (value === undefined ? [] : [[what, value] as const]));
}

function failedLogs(directory: string, release: Release | undefined): Report["logs"] {
  const folder = join(directory, "evidence", release?.id ?? "none");
  if (release === undefined || !existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .sort()
    .map((name) => ({
      service: name.slice(0, -".log".length),
      lines: errorExcerpt(readFileSync(join(folder, name), "utf8").trimEnd()),
    }))
    .filter(({ lines }) => lines.some((line) => line.trim() !== ""));
}

/** What the server answered before, during and after the run; why not, where no sink tells. */
async function requestsAround(
  settings: Settings,
  directory: string,
  release: Release | undefined,
  fromMs: number,
  toMs: number,
  context: Context,
): Promise<{ requests: RequestFigures[]; why?: string }> {
  const key = readKey(directory);
  const text = fileOf(directory, release, "compose.yaml");
  if (release === undefined || text === "" || key === undefined)
    return { requests: [], why: "the release's files are gone" };
  try {
    const parts = labelParts(settings, { release: release.id, observed: [], secretKey: key });
    const stack = readStack(text, "compose.yaml", parts);
    const collector = fileOf(directory, release, "collector.yaml");
    const source = expectationOf(settings, { stack, collector }, directory, context);
    if (requestSource(source.delivery) === undefined)
      return { requests: [], why: "no sink of this stack can be read" };
    const aroundMs = Math.min(mostAroundMs, Math.max(leastAroundMs, toMs - fromMs));
    const [begin, end] = [fromMs - aroundMs, toMs + aroundMs];
    const width = (end - begin) / stretches;
    const wanted = Array.from({ length: stretches }, (_, index) => ({
      fromMs: Math.round(begin + index * width),
      toMs: Math.round(begin + (index + 1) * width),
    }));
    const requests = await requestFigures(wanted, source, deviceId(key), context.engine);
    const isEmpty = requests.every((one) => one.requests === 0);
    return isEmpty ? { requests: [], why: "the sink has no request of that time" } : { requests };
  } catch (error) {
    return { requests: [], why: (error as Error).message.split("\n")[0]! };
  }
}

/** Whatever text came in from elsewhere: without secrets, and without what steers a terminal. */
function redacted(report: Report, settings: Settings): Report {
  const hide = redaction(settings.sensitive());
  return JSON.parse(JSON.stringify(report), (_, value: unknown) =>
    typeof value === "string" ? plainText(hide(value)) : value,
  ) as Report;
}
