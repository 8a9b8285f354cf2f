import { Problem } from "../common/problem.ts";
import { describeLoss, rowsSince } from "../database/rowsOnlyIn.ts";
import type { Settings } from "../settings/readSettings.ts";
import { assertSecretsPresent } from "./releaseSecrets.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { newestGood, releasesNewestFirst } from "../state/releases.ts";
import { decide, type Decision } from "./decide.ts";
import { ensureCurrent, preparationOf, type RolloutOutcome, runPipeline } from "./deploy.ts";
import type { PipelineOptions } from "./rollout.ts";
import { assertSafe } from "./describePlan.ts";
import type { DatabaseOption } from "./planSchema.ts";
import { recover } from "./recover.ts";
import { settledContainers } from "./replaceServer.ts";
import { type Retaining, session } from "./session.ts";
import { configurationTarget, pastTarget, type Preparation, type Target } from "./target.ts";
import { newestBackupAt } from "../state/backups.ts";

export interface RollbackInput extends PipelineOptions {
  /** A release's id, or a server's tag; the release before where it is left out. */
  readonly requested: string | undefined;
  /** The way that was asked for, where the database is ahead. */
  readonly databaseStrategy: DatabaseOption | undefined;
  /** Tables whose rows come from the backup, in a `copy`. */
  readonly fromDump: readonly string[];
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
  /** Turns back settings and configuration, and keeps the images. */
  readonly onlyConfiguration: boolean;
}

/**
 * Rolls back to a past release: its images, settings and configuration, under the secrets of
 * now. Reads the schema first: where the database is ahead and no strategy was verified or asked
 * for, nothing is touched.
 * @throws Problem RELEASE_UNKNOWN, ROLLBACK_UNSAFE with the ways and what each loses; ROLLED_BACK
 *   where it failed and the release it came from serves again
 */
export function rollback(
  settings: Settings,
  input: RollbackInput,
  context: Context,
): Promise<RolloutOutcome & Retaining> {
  return session(settings, { ...input, command: "rollback" }, context, async (begun) => {
    await recover(settings, begun);
    const { directory } = begun;
    const preparation = await preparationOf(settings, begun);
    const target = await rollbackTarget(settings, input, preparation, begun.context);
    await ensureCurrent(settings, target, directory, begun.context);
    const observed = await settledContainers(settings, target.prepared.stack, begun.context);
    const now = { ...preparation, observed };
    const options = { kind: "rollback", databaseStrategy: input.databaseStrategy } as const;
    const decision = await decide(settings, target, now, options, begun.context);
    await assertNoLosses(decision, target.settings, directory);
    const { fromDump, foreign = false } = input;
    const plan = { kind: "rollback", settings, target, decision, preparation: now } as const;
    return runPipeline({ ...plan, fromDump, foreign }, input, begun);
  });
}

/** What a rollback leads to, as far as the state and the engine's images show. */
export async function rollbackTarget(
  settings: Settings,
  input: Pick<RollbackInput, "requested" | "onlyConfiguration">,
  preparation: Preparation,
  context: Context,
): Promise<Target> {
  const release = chooseRelease(preparation.directory, input.requested, settings.environment);
  const past = await pastTarget(settings, release, preparation, context);
  assertSecretsPresent(past, release, settings);
  if (!input.onlyConfiguration) return past;
  const present: Release = newestGood(preparation.directory)!;
  return configurationTarget(
    past,
    await pastTarget(settings, present, preparation, context),
    preparation,
  );
}

/** The refusal, with what each way would lose counted now. */
async function assertNoLosses(
  decision: Decision,
  settings: Settings,
  directory: string,
): Promise<void> {
  try {
    assertSafe(decision, settings, "rollback");
  } catch (error) {
    const { database } = decision.currentState;
    if (!(error instanceof Problem) || error.code !== "ROLLBACK_UNSAFE" || !database) throw error;
    const losses = await lossesOf(decision, directory);
    const { message, details, next } = error;
    throw new Problem("ROLLBACK_UNSAFE", message, {
      details: [...details, ...losses],
      ...(next === undefined ? {} : { next }),
    });
  }
}

const mostLosses = 10;

async function lossesOf({ schema, currentState, revisionOwner }: Decision, directory: string) {
  const backup = newestBackupAt(directory, schema.heads);
  if (backup === undefined) return [];
  const { created } = backup;
  const [restoring = "", ...tables] = await rowsSince(
    currentState.database!.database(),
    backup,
  ).then(
    (since) => describeLoss(since, created),
    // A refusal comes first, whatever the database's schema is.
    (error: unknown) => [
      `what restore would lose since ${created} is not known: ${(error as Error).message}`,
      ...(error instanceof Problem ? error.details : []),
    ],
  );
  const difference = (revisionOwner?.rehearsal as { difference?: { added?: string[] } } | null)
    ?.difference;
  const added = (difference?.added ?? []).filter((one) => /^(table|column) /.test(one));
  const listed = (lines: string[]) => [
    ...lines.slice(0, mostLosses),
    ...(lines.length > mostLosses ? [`  … and ${lines.length - mostLosses} more`] : []),
  ];
  return [
    restoring,
    ...listed(tables),
    ...(added.length === 0 ? [] : ["copy has no place for what the migration added:"]),
    ...listed(added.map((one) => `  ${one}`)),
  ];
}

/** How many an unknown one is answered with. */
const mostListed = 15;

/**
 * The release to go back to. Without a wish the good one before what serves: a second
 * rollback goes further back, and where there is nothing further, takes the rollback back.
 * @param requested an id, or a server's tag: the newest good release of it
 * @throws Problem RELEASE_UNKNOWN with what there is
 */
export function chooseRelease(
  directory: string,
  requested: string | undefined,
  environment: string,
): Release {
  const releases = releasesNewestFirst(directory);
  const seen: Release[] = [];
  let present: Release | undefined;
  let otherContent: Release | undefined;
  for (const release of releases) {
    seen.push(release);
    if (release.outcome !== "good") continue;
    if (requested !== undefined) {
      if (release.id === requested || release.tag === requested) return release;
      continue;
    }
    present ??= release;
    if (contentOf(release) < contentOf(present)) return release;
    if (contentOf(release) !== contentOf(present)) otherContent ??= release;
  }
  if (requested === undefined && otherContent !== undefined) return otherContent;
  const what =
    requested === undefined
      ? "expected a good release before the present one, got none"
      : `expected a good release of ${environment} with the id or tag ${requested}, got none`;
  throw new Problem("RELEASE_UNKNOWN", what, {
    details: seen.slice(0, mostListed).map((one) => `${one.id} ${one.tag} ${one.outcome}`),
    next: `npm run releases -- ${environment}`,
  });
}

/** The release a content was first deployed as. */
function contentOf(release: Release): string {
  return release.restores ?? release.id;
}
