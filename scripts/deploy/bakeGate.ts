import { durationMs } from "../common/durationMs.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Release } from "../state/release.ts";
import { deviceId, secretKey } from "../state/secretKey.ts";
import type { Context } from "../state/context.ts";
import type { Target } from "./target.ts";
import { expectationOf } from "./expectationOf.ts";
import { verifyRelease } from "./verifyRelease.ts";
import type { Settings } from "../settings/readSettings.ts";
import {
  compareRequests,
  type BakeVerdict,
  type Margins,
  type RequestFigures,
} from "./compareRequests.ts";
import { requestFigures, requestSource, type Stretch } from "./requestFigures.ts";

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
export async function compareReleases(
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
