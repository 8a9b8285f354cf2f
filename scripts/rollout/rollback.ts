import { Problem } from "../common/problem.ts";
import { settledContainers } from "../cutover/settleServers.ts";
import { describeLoss, rowsSince } from "../database/rowsSince.ts";
import { newestGood, type Release } from "../ledger/releases.ts";
import type { Tools } from "../parts/tools.ts";
import { configurationTarget } from "../preparation/configurationTarget.ts";
import { refuseMissingSecrets } from "../preparation/refuseMissingSecrets.ts";
import { pastTarget, type Making, type Target } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { AskedWay } from "./askableWays.ts";
import { chooseRelease } from "./chooseRelease.ts";
import { decide, type Decision } from "./decide.ts";
import { makingOf, readyPresent } from "./deploy.ts";
import { recover } from "./recover.ts";
import { refuseUnsafe } from "./refuseUnsafe.ts";
import { rollOut, type RolloutAsked, type RolloutOutcome } from "./rollOut.ts";
import { session, type Retaining } from "./session.ts";
import { newestBackupAt } from "./tryWays.ts";

export interface RollbackAsked extends RolloutAsked {
  /** A release's id, or a server's tag; the release before where it is left out. */
  readonly wanted: string | undefined;
  /** The way that was asked for, where the database is ahead. */
  readonly way: AskedWay | undefined;
  /** Tables whose rows come from the backup, in a `carry`. */
  readonly fromDump: readonly string[];
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
  /** Turns back settings and configuration, and keeps the images. */
  readonly onlyConfiguration: boolean;
}

/**
 * Goes back to a past release: its images, settings and configuration, under the secrets of
 * now. Reads the schema first: where the database is ahead and no way was proven or asked
 * for, nothing is touched.
 * @throws Problem RELEASE_UNKNOWN, ROLLBACK_UNSAFE with the ways and what each loses; ROLLED_BACK
 *   where it failed and the release it came from serves again
 */
export function rollback(
  settings: Settings,
  asked: RollbackAsked,
  tools: Tools,
): Promise<RolloutOutcome & Retaining> {
  return session(settings, { ...asked, command: "rollback" }, tools, async (begun) => {
    await recover(settings, begun);
    const { directory } = begun;
    const making = await makingOf(settings, begun);
    const target = await rollbackTarget(settings, asked, making, begun.tools);
    await readyPresent(settings, target, directory, begun.tools);
    const observed = await settledContainers(settings, target.prepared.stack, begun.tools);
    const now = { ...making, observed };
    const wish = { kind: "rollback", way: asked.way } as const;
    const decision = await decide(settings, target, now, wish, begun.tools);
    await refuseWithLosses(decision, target.settings, directory);
    const parts = { kind: "rollback", settings, target, decision, making: now, asked } as const;
    const { fromDump, foreign = false } = asked;
    return rollOut({ ...parts, fromDump, foreign }, begun);
  });
}

/** What a rollback leads to, as far as the ledger and the engine's images tell. */
export async function rollbackTarget(
  settings: Settings,
  asked: Pick<RollbackAsked, "wanted" | "onlyConfiguration">,
  making: Making,
  tools: Tools,
): Promise<Target> {
  const release = chooseRelease(making.directory, asked.wanted, settings.environment);
  const past = await pastTarget(settings, release, making, tools);
  refuseMissingSecrets(past, release, settings);
  if (!asked.onlyConfiguration) return past;
  const present: Release = newestGood(making.directory)!;
  return configurationTarget(past, await pastTarget(settings, present, making, tools), making);
}

/** The refusal, with what each way would lose counted now. */
async function refuseWithLosses(
  decision: Decision,
  settings: Settings,
  directory: string,
): Promise<void> {
  try {
    refuseUnsafe(decision, settings, "rollback");
  } catch (error) {
    const { database } = decision.situation;
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

async function lossesOf({ schema, situation, knower }: Decision, directory: string) {
  const backup = newestBackupAt(directory, schema.heads);
  if (backup === undefined) return [];
  const { created } = backup;
  const [restoring = "", ...tables] = await rowsSince(situation.database!.database(), backup).then(
    (since) => describeLoss(since, created),
    // Whoever is refused is told so, whatever the database says now.
    (error: unknown) => [
      `what restore would lose since ${created} is not known: ${(error as Error).message}`,
      ...(error instanceof Problem ? error.details : []),
    ],
  );
  const difference = (knower?.rehearsal as { difference?: { added?: string[] } } | null)
    ?.difference;
  const added = (difference?.added ?? []).filter((one) => /^(table|column) /.test(one));
  const listed = (lines: string[]) => [
    ...lines.slice(0, mostLosses),
    ...(lines.length > mostLosses ? [`  … and ${lines.length - mostLosses} more`] : []),
  ];
  return [
    restoring,
    ...listed(tables),
    ...(added.length === 0 ? [] : ["carry has no place for what the migration added:"]),
    ...listed(added.map((one) => `  ${one}`)),
  ];
}
