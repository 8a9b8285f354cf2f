import { Problem } from "../common/problem.ts";
import type { Release } from "../ledger/release.ts";
import type { Comparison } from "./bakeGate.ts";
import { figuresText } from "./judgeBake.ts";

/**
 * A release that does worse than the one before it, as the failure it ends with: one that is
 * turned back, or, where that would cross a schema change, one that stays and a person decides
 * about.
 */
export function worseRelease(
  { former, present, source, margins, why }: Comparison,
  { way, proofs, environment, id, tag }: Release,
): Problem {
  const told = [former, present].map(({ release, tag: version, figures }) => {
    if (typeof figures === "string") return `${release} (${version}): ${figures}`;
    const [from, to] = [figures.fromMs, figures.toMs].map((ms) => new Date(ms).toISOString());
    return `${release} (${version}): ${figuresText(figures)}, ${from} to ${to}`;
  });
  const { requests, points, factor } = margins;
  const details = [
    ...told,
    `read from ${source}; BAKE_GATE_REQUESTS=${requests} BAKE_GATE_ERRORS=${points} BAKE_GATE_SLOWER=${factor}; kept as evidence/${id}/bake.json`,
  ];
  if (!changesSchema(way)) {
    const next = `npm run traces -- ${environment ?? ""}`;
    return new Problem("STEP_FAILED", `it does worse than ${former.tag}: ${why}`, {
      details,
      next,
    });
  }
  const isProven = proofs.some((one) => one.passed);
  return new Problem(
    "STEP_FAILED",
    `release ${id} (${tag}) runs and does worse than ${former.tag}: ${why}`,
    {
      details: [
        ...details,
        "nothing was turned back, as the database is on another schema now",
        isProven
          ? "the way back was proven at the rehearsal and loses nothing"
          : "no way back was proven: the one that passes on a copy is taken, and nothing where none does",
      ],
      next: `npm run rollback -- ${former.release} --env ${environment ?? ""}${isProven ? "" : " --database auto"}`,
    },
  );
}

/** Whether a release is on another schema than the one before it. */
export function changesSchema(way: Release["way"]): boolean {
  return way !== null && way !== "none" && way !== "keep";
}
