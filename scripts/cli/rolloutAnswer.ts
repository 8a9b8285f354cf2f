import { retainedText } from "../database/rowsOnlyIn.ts";
import type { StepRecord } from "../parts/narration.ts";
import type { RolloutOutcome } from "../rollout/rollOut.ts";
import type { Retaining } from "../rollout/session.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./declaration.ts";
import { table } from "./table.ts";
import { toldProof } from "./toldProof.ts";

/** What a deploy or a rollback came to, for scripts and for people. */
export function rolloutAnswer(
  settings: Settings,
  outcome: RolloutOutcome & Retaining,
  steps: readonly StepRecord[],
): Answer {
  const { environment } = settings;
  const { schema } = outcome.decision;
  const version = outcome.checks.find((one) => one.name === "server version");
  const same = outcome.release === outcome.from;
  const told = toldProof(outcome.checks, environment);
  const headline = same
    ? `nothing to do: release ${outcome.release} (${outcome.tag}) runs`
    : `release ${outcome.release} (${outcome.tag}) runs, ${told.proven}`;
  const proof = outcome.rehearsal?.wayBack;
  const rows = [
    ["database", describeWay(outcome)],
    ...outcome.retained
      .map(retainedText)
      .filter(Boolean)
      .map((line) => ["retained", line]),
    ["requests", describeCutover(outcome)],
    ...(proof
      ? [["way back", proof.passed ? "proven: npm run rollback" : `not proven: ${proof.detail}`]]
      : []),
    ...told.rows,
    ...(outcome.bake ? [["bake gate", `${words[outcome.bake.verdict]}: ${outcome.bake.why}`]] : []),
    [
      "next",
      `npm run verify -- ${environment} · npm run status -- ${environment} · npm run releases -- ${environment}`,
    ],
  ];
  return {
    result: {
      release: outcome.release,
      from: outcome.from,
      tag: outcome.tag,
      way: outcome.way,
      steps,
      server: { version: version?.outcome === "passed" ? version.detail : null },
      changes: outcome.changes,
      checks: outcome.checks,
      database: {
        revision: schema.revision?.join(" ") ?? null,
        heads: schema.heads,
        action: outcome.way,
      },
      retained: outcome.retained,
      cutover: outcome.cutover,
      awaySeconds: outcome.awaySeconds,
      expectedPauseSeconds: outcome.expectedPauseSeconds,
      rehearsal: outcome.rehearsal,
      bake: outcome.bake,
    },
    text: `\n${environment}: ${headline}\n\n${table(rows)}`,
  };
}

const words = { worse: "worse", fine: "no worse", unjudged: "not judged" } as const;

function describeCutover({ cutover, awaySeconds }: RolloutOutcome): string {
  if (awaySeconds === null) return "the server was not touched";
  const seconds = `${awaySeconds.toFixed(1)} s`;
  if (cutover === "overlap") {
    const held =
      awaySeconds > 0 ? `, held for ${seconds} at most while the database was migrated` : "";
    return `answered by the old server and then the new one${held}`;
  }
  return cutover === "hold" ? `held for ${seconds} at most` : `the server was away for ${seconds}`;
}

function describeWay({ way, decision }: RolloutOutcome): string {
  const at = decision.schema.heads.join(", ");
  const ways: Record<string, string> = {
    none: `at ${at}, as before`,
    migrate: `migrated to ${at}`,
    keep: "the newer schema stays; no row was lost",
    carry: `the rows of now in the older schema, at ${at}; the former database is kept`,
    downgrade: `downgraded to ${at}; the former database is kept`,
    restore: `as it was in the backup, at ${at}; the former database is kept`,
  };
  return ways[way ?? "none"] ?? "";
}
