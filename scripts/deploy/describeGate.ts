import { readDelivery } from "../stack/readDelivery.ts";
import { Problem } from "../common/problem.ts";
import type { Release } from "../state/release.ts";
import type { Target } from "./target.ts";
import { marginsOf } from "./bakeGate.ts";
import { requestSource } from "./requestFigures.ts";

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
    ? "it stays, as the schema changes, and the deploy ends with exit code 5"
    : `${present.tag} comes back by itself`;
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
