import { Problem } from "../common/problem.ts";
import type { Release } from "../state/release.ts";
import type { Comparison } from "./bakeGate.ts";
import { figuresText } from "./compareRequests.ts";

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
    return new Problem("STEP_FAILED", `it does worse than ${previous.tag}: ${why}`, {
      details,
      next,
    });
  }
  const isVerified = verifications.some((one) => one.passed);
  return new Problem(
    "STEP_FAILED",
    `release ${id} (${tag}) runs and does worse than ${previous.tag}: ${why}`,
    {
      details: [
        ...details,
        "nothing was turned back, as the database is on another schema now",
        isVerified
          ? "the rollback was verified in the rehearsal and loses nothing"
          : "no rollback was verified: the strategy that passes on a copy is used, and none otherwise",
      ],
      next: `npm run rollback -- ${previous.release} --env ${environment ?? ""}${isVerified ? "" : " --database auto"}`,
    },
  );
}

/** Whether a release is on another schema than the one before it. */
export function changesSchema(databaseStrategy: Release["databaseStrategy"]): boolean {
  return databaseStrategy !== null && databaseStrategy !== "none" && databaseStrategy !== "keep";
}
