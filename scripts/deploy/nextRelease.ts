import { type Mark, type MarkingRun, marksOf, type Purpose } from "../database/databaseNames.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import type { Session } from "./session.ts";
import type { Target } from "./target.ts";

/** @param oldServerStays whether the old server is left running, and only requests are paused */
export type OfflineTask = (
  server: DatabaseServer,
  context: Context,
  oldServerStays: boolean,
) => Promise<void>;

/** A release that is to serve next, with what is to be done for it. */
export interface NextRelease {
  /** The release as it was begun. */
  readonly manifest: Release;
  readonly target: Target;
  readonly directory: string;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  /** A fast rollback waits neither for the server's spans nor for its backlog. */
  readonly fast: boolean;
  /** Whether the migration has run for it already, before an earlier run was cut off. */
  readonly migrated?: boolean;
  /** Whether the present server was verified to go on serving through the migration. */
  readonly sideBySide?: boolean;
  /** Whether sessions of others that block the migration may be ended. */
  readonly endsSessions?: boolean;
  /** How long requests may wait, in seconds, as the operator agreed; else the setting's. */
  readonly pauseSeconds?: number;
  /** How long the migration took in its rehearsal, where it is to run under a pause. */
  readonly migrateSeconds?: number;
  /** What is done to the database while no server is on it. */
  readonly offlineTask: OfflineTask | undefined;
}

/** The marks of a run's databases, by purpose. */
export type RunMarks = (purpose: Purpose) => Mark;

/** The marks that a run of this installation gives, and knows its databases by. */
export function runMarks(
  { directory, context }: Pick<Session, "directory" | "context">,
  run: MarkingRun,
): RunMarks {
  return marksOf(installationId(secretKey(directory, context.randomBytes)), run);
}
