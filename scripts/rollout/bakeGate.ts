import type { ObservedContainer } from "../engine/engine.ts";
import type { Release } from "../ledger/release.ts";
import { deviceId, secretKey } from "../ledger/secretKey.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
import { expectationOf } from "../proof/expectationOf.ts";
import { proveStack } from "../proof/proveStack.ts";
import type { Settings } from "../settings/readSettings.ts";
import { judgeBake, type BakeVerdict, type Margins, type RequestFigures } from "./judgeBake.ts";
import { requestFigures, requestSource, type Stretch } from "./requestFigures.ts";

/** What a new release is compared with. */
export interface BakeGate {
  readonly former: Release;
  /** As long as the bake time, and before the deploy began. */
  readonly stretch: Stretch;
}

/** How a new release did beside the one before it. */
export interface Comparison extends BakeVerdict {
  readonly margins: Margins;
  /** Where the figures were read. */
  readonly source: string;
  readonly former: Figured;
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
 * the time in which the server ran as it does now is the former release's.
 * @param begunMs when the deploy began, in milliseconds since 1970
 * @returns undefined where BAKE_GATE is off or nothing ran before
 */
export async function bakeGate(
  settings: Settings,
  former: Release | undefined,
  server: ObservedContainer | undefined,
  begunMs: number,
  tools: Tools,
): Promise<BakeGate | undefined> {
  if (former === undefined || settings.get("BAKE_GATE") !== "true") return undefined;
  const fromMs = begunMs - Number(settings.get("BAKE_SECONDS")) * 1000;
  const isUp = server?.state === "running";
  const since = isUp ? Date.parse((await tools.engine.inspect(server.id)).startedAt) : begunMs;
  return {
    former,
    stretch: { fromMs: Math.min(begunMs, Math.max(fromMs, since)), toMs: begunMs },
  };
}

/**
 * Compares the requests of the bake time with those before the deploy. First one of our own is
 * followed into the sink: what comes before it has come too, then.
 */
export async function compareReleases(
  { former, stretch }: BakeGate,
  present: { readonly release: Release; readonly target: Target; readonly stretch: Stretch },
  directory: string,
  tools: Tools,
): Promise<Comparison> {
  const { settings, prepared } = present.target;
  const [marker] = await proveStack(settings, prepared, directory, tools, "spans");
  const source = expectationOf(settings, prepared, directory, tools);
  const device = deviceId(secretKey(directory, tools.randomBytes));
  const [before, now] = await requestFigures(
    [stretch, present.stretch],
    source,
    device,
    tools.engine,
  ).catch(({ message }: Error) => [message, message] as const);
  const margins = marginsOf(settings);
  return {
    ...judgeBake({ former: before!, present: now!, marker: marker! }, margins),
    margins,
    source: requestSource(source.delivery) ?? "",
    former: { release: former.id, tag: former.tag, figures: before! },
    present: { release: present.release.id, tag: present.release.tag, figures: now! },
  };
}
