import { setTimeout as sleep } from "node:timers/promises";
import type { Check } from "../checks/verify.ts";
import { Problem } from "../common/problem.ts";
import { durationMs } from "../common/units.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { isTelemetry } from "../stack/readServices.ts";
import type { Context } from "../state/context.ts";
import { keepEvidence } from "../state/evidence.ts";
import type { Release } from "../state/release.ts";
import { deviceId, secretKey } from "../state/secretKey.ts";
import {
  type BakeVerdict,
  compareRequests,
  figuresText,
  type Margins,
  requestFigures,
  type RequestFigures,
  requestSource,
  type Stretch,
} from "./requestFigures.ts";
import type { Target } from "./target.ts";
import {
  assertVerified,
  expectationOf,
  type VerificationCircumstances,
  verifyRelease,
} from "./verifyRelease.ts";

interface Baking {
  readonly manifest: Release;
  readonly target: Target;
  readonly directory: string;
  /** What its requests are compared with; undefined without a comparison. */
  readonly gate: BakeGate | undefined;
  readonly circumstances: VerificationCircumstances;
}

/**
 * Watches a verified release: still green, and nothing started again, to the end of the time; then,
 * where that is asked for, no worse than the release before it.
 * @returns the comparison, also of a release that is worse where going back would cross a
 *   schema change; and the checks that fail as the server failed before
 * @throws Problem STEP_FAILED
 */
export async function bake(
  input: Baking,
  context: Context,
): Promise<{ compared: Comparison | undefined; failedBefore: readonly Check[] }> {
  const { manifest, gate, directory } = input;
  const { stretch, failedBefore } = await stayGreen(input, context);
  if (gate === undefined) return { compared: undefined, failedBefore };
  const comparison = await context.reporter.step(
    "compare with previous release",
    async () => {
      const present = { release: manifest, target: input.target, stretch };
      const compared = await compareReleases(gate, present, directory, context);
      context.signal.throwIfAborted();
      keepEvidence(directory, manifest.id, "bake.json", `${JSON.stringify(compared, null, 2)}\n`);
      const isWorse = compared.verdict === "worse";
      if (isWorse && !changesSchema(manifest.databaseStrategy))
        throw worseRelease(compared, manifest);
      return compared;
    },
    ({ verdict, why }) => (verdict === "unjudged" ? `not judged: ${why}` : `${verdict}: ${why}`),
  );
  return { compared: comparison, failedBefore };
}

async function stayGreen(
  { target, directory, circumstances }: Baking,
  context: Context,
): Promise<{ stretch: Stretch; failedBefore: readonly Check[] }> {
  const { settings, prepared } = target;
  const limit = durationMs(settings.get("BAKE_TIME")) / 1000;
  const { telemetryCounts, changesTelemetry } = circumstances;
  // What became of telemetry that does not count is judged with the checks at the end.
  const isWatched = (name: string) => !isTelemetry(name) || (telemetryCounts && changesTelemetry);
  return context.reporter.step(`bake for ${limit} s`, async (report) => {
    // Under a load that was there before, a health check that comes late says nothing.
    const countsHealth = (circumstances.before ?? []).length === 0;
    const before = await restartsOf(settings.project, countsHealth, context);
    const started = context.now();
    for (;;) {
      context.signal.throwIfAborted();
      const passed = (context.now() - started) / 1000;
      const now = await restartsOf(settings.project, countsHealth, context);
      const fallen = [...before].filter(
        ([name, count]) => isWatched(name) && now.get(name) !== count,
      );
      if (fallen.length > 0) {
        throw new Problem(
          "STEP_FAILED",
          "a service stopped or became unhealthy during the bake time",
          {
            details: fallen.map(([name]) => `${name}: ${now.get(name) ?? "is gone"}`),
            next: `npm run logs -- ${settings.environment} ${fallen[0]![0]}`,
          },
        );
      }
      if (passed >= limit) break;
      report(`${(limit - passed).toFixed(0)} s to go`);
      await sleep(Math.min(1000, (limit - passed) * 1000));
    }
    const stretch = { fromMs: started, toMs: context.now() };
    const checks = await verifyRelease(settings, prepared, directory, context, "quick");
    const failedBefore = assertVerified(checks, circumstances, settings.environment, context);
    return { stretch, failedBefore };
  });
}

/** How each service is and how often it was started again, as text to compare. */
async function restartsOf(
  project: string,
  countsHealth: boolean,
  context: Context,
): Promise<Map<string, string>> {
  const containers = await context.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => context.engine.inspect(one.id)));
  return new Map(
    seen.map((one) => [
      one.service,
      `${one.state}, ${countsHealth ? `${one.health}, ` : ""}restarted ${one.restarts} times`,
    ]),
  );
}

/** What a new release is compared with. */
export interface BakeGate {
  readonly previous: Release;
  /** As long as the bake time, and before the deploy began. */
  readonly stretch: Stretch;
}

/** How a new release did compared with the one before it. */
export interface Comparison extends BakeVerdict {
  readonly margins: Margins;
  /** Where the figures were read. */
  readonly source: string;
  readonly previous: Figured;
  readonly present: Figured;
}

interface Figured {
  readonly release: string;
  readonly tag: string;
  /** A text says why there are none. */
  readonly figures: RequestFigures | string;
}

/** From where on a release counts as worse. */
export function marginsOf(settings: Settings): Margins {
  return {
    requests: Number(settings.get("BAKE_GATE_REQUESTS")),
    points: Number(settings.get("BAKE_GATE_ERRORS")),
    factor: Number(settings.get("BAKE_GATE_SLOWER")),
  };
}

/**
 * What a deploy that begins now will be compared with; asked before anything is touched. Only
 * the time in which the server ran as it does now is the previous release's.
 * @param begunMs when the deploy began, in milliseconds since 1970
 * @returns undefined where BAKE_GATE is off or nothing ran before
 */
export async function bakeGate(
  settings: Settings,
  previous: Release | undefined,
  server: ObservedContainer | undefined,
  begunMs: number,
  context: Context,
): Promise<BakeGate | undefined> {
  if (previous === undefined || settings.get("BAKE_GATE") !== "true") return undefined;
  const fromMs = begunMs - durationMs(settings.get("BAKE_TIME"));
  const isUp = server?.state === "running";
  const since = isUp ? Date.parse((await context.engine.inspect(server.id)).startedAt) : begunMs;
  return {
    previous,
    stretch: { fromMs: Math.min(begunMs, Math.max(fromMs, since)), toMs: begunMs },
  };
}

/**
 * Compares the requests of the bake time with those before the deploy. First one of our own is
 * followed into the sink: what comes before it has come too, then.
 */
async function compareReleases(
  { previous, stretch }: BakeGate,
  present: { readonly release: Release; readonly target: Target; readonly stretch: Stretch },
  directory: string,
  context: Context,
): Promise<Comparison> {
  const { settings, prepared } = present.target;
  const [marker] = await verifyRelease(settings, prepared, directory, context, "spans");
  const source = expectationOf(settings, prepared, directory, context);
  const device = deviceId(secretKey(directory, context.randomBytes));
  const [before, now] = await requestFigures(
    [stretch, present.stretch],
    source,
    device,
    context.engine,
  ).catch(({ message }: Error) => [message, message] as const);
  const margins = marginsOf(settings);
  return {
    ...compareRequests({ previous: before!, present: now!, marker: marker! }, margins),
    margins,
    source: requestSource(source.delivery) ?? "",
    previous: { release: previous.id, tag: previous.tag, figures: before! },
    present: { release: present.release.id, tag: present.release.tag, figures: now! },
  };
}

/**
 * A release that does worse than the one before it, as the failure it ends with: one that is
 * turned back, or, where that would cross a schema change, one that stays and a person decides
 * about.
 */
export function worseRelease(
  { previous, present, source, margins, why }: Comparison,
  { databaseStrategy, verifications, environment, id, tag }: Release,
): Problem {
  const reported = [previous, present].map(({ release, tag: version, figures }) => {
    if (typeof figures === "string") return `${release} (${version}): ${figures}`;
    const [from, to] = [figures.fromMs, figures.toMs].map((ms) => new Date(ms).toISOString());
    return `${release} (${version}): ${figuresText(figures)}, ${from} to ${to}`;
  });
  const { requests, points, factor } = margins;
  const details = [
    ...reported,
    `read from ${source}; BAKE_GATE_REQUESTS=${requests} BAKE_GATE_ERRORS=${points} BAKE_GATE_SLOWER=${factor}; stored as evidence/${id}/bake.json`,
  ];
  if (!changesSchema(databaseStrategy)) {
    const next = `npm run traces -- ${environment ?? ""}`;
    return new Problem("STEP_FAILED", `it serves worse than ${previous.tag}: ${why}`, {
      details,
      next,
    });
  }
  const isVerified = verifications.some((one) => one.passed);
  return new Problem(
    "STEP_FAILED",
    `release ${id} (${tag}) runs and serves worse than ${previous.tag}: ${why}`,
    {
      details: [
        ...details,
        "not rolled back, because the database has another schema now",
        isVerified
          ? "the rollback was verified in the rehearsal and loses nothing"
          : "no rollback was rehearsed: --database auto uses the first strategy that passes on a copy",
      ],
      next: `npm run rollback -- ${previous.release} --env ${environment ?? ""}${isVerified ? "" : " --database auto"}`,
    },
  );
}

/** Whether a release is on another schema than the one before it. */
function changesSchema(databaseStrategy: Release["databaseStrategy"]): boolean {
  return databaseStrategy !== null && databaseStrategy !== "none" && databaseStrategy !== "keep";
}
