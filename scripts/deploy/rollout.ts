import type { Settings } from "../settings/readSettings.ts";
import type { Backup } from "../state/backups.ts";
import type { Release } from "../state/release.ts";
import type { CurrentState } from "./currentState.ts";
import type { Decision } from "./decide.ts";
import type { Change } from "./planChanges.ts";
import type { SchemaPlan } from "./planSchema.ts";
import type { RehearsedServer } from "./rehearsalEnvironment.ts";
import type { Preparation, Target } from "./target.ts";

/** How a deploy or a rollback was asked for. */
export interface PipelineOptions {
  readonly reason: string | null;
  /** Whether to wait for another run to end. */
  readonly wait: boolean;
  /** Stateful parts that may be recreated. */
  readonly recreate: readonly string[];
  /** Whether sessions of others may be ended without a question. */
  readonly endSessions?: boolean;
  readonly adoptState?: boolean;
  /** Whether a server that fails already is no reason to ask. */
  readonly despiteFailures?: boolean;
}

/** What a run is to do: decided once, shown, and carried to its end. */
export interface Plan {
  readonly kind: "deploy" | "rollback";
  /** Those of now. */
  readonly settings: Settings;
  readonly target: Target;
  readonly decision: Decision;
  readonly preparation: Preparation;
  readonly fromDump?: readonly string[];
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
}

/** Everything that was decided, before anything is done. */
export interface Rollout {
  readonly kind: Release["kind"];
  readonly id: string;
  /** The run's nonce, see newRun. */
  readonly run: string;
  /** The settings of now, for everything that is not the target's own. */
  readonly settings: Settings;
  readonly target: Target;
  readonly currentState: CurrentState;
  readonly schema: SchemaPlan;
  /** Whether sessions of others may be ended. */
  readonly endsSessions?: boolean;
  /** Whether databases can be made, copied and renamed. */
  readonly mayCopy: boolean;
  /** Whether a dump can be restored into a new database. */
  readonly mayRestore: boolean;
  /** Whether the application's database role stops being a superuser. */
  readonly separatesRoles: boolean;
  /** What would be done to each service, as far as it is known before. */
  readonly changes: readonly Change[];
  /** The version that wrote last, for the role's repairs. */
  readonly previousTag: string | undefined;
  /** What serves now, for a rehearsed rollback and the rollback itself. */
  readonly previous: (RehearsedServer & { readonly imageId: string }) | undefined;
  /** Whose image knows the database's revision, for a downgrade. */
  readonly revisionOwner: RehearsedServer | undefined;
  /** The backup of a `restore` or a `copy`; the newest fitting one where it is left out. */
  readonly backup?: Backup;
  /** Whether a backup may be another installation's. */
  readonly foreign?: boolean;
  /** Tables whose rows come from the backup in a `copy`. */
  readonly fromDump: readonly string[];
  /** How the server fails already. */
  readonly before?: Release["before"];
  /** Skips waiting for spans and bake time. */
  readonly fast: boolean;
}
