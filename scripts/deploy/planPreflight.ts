import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import { needsDatabaseAlone, observeSessions, type SessionsNow } from "./askEndSessions.ts";
import { observeServer } from "./askFailingServer.ts";
import { describeServer, checkServer, type Condition, type ServerNow } from "./checkServer.ts";
import type { RolloutPlan } from "./planRollout.ts";

/** What the run will look at before it touches anything, as it is now. */
export interface Preflight {
  /** null where no server runs, or one still boots. */
  readonly server: (ServerNow & Pick<Condition, "state" | "lines">) | null;
  /** Sessions of others; null where the run does not need the database alone. */
  readonly sessions: SessionsNow | null;
  /** The flags that answer what the run would ask. */
  readonly flags: readonly ("--end-sessions" | "--despite-failures")[];
  /** Whether the run would end with exit 3 as things are. */
  readonly refused: boolean;
}

/**
 * Measures what `runPipeline` measures before it touches anything: how the server does, and who else is
 * on the database. Reads only.
 * @throws Problem DATABASE_REFUSED where the database does not tell its sessions
 */
export async function planPreflight(
  settings: Settings,
  { target, decision }: RolloutPlan,
  kind: "deploy" | "rollback",
  context: Context,
): Promise<Preflight> {
  const { database, observed, present } = decision.currentState;
  if (database === undefined) return { server: null, sessions: null, flags: [], refused: false };
  const { stack } = target.prepared;
  const now = await observeServer({ settings, stack, observed, database, present }, context);
  const server = now === undefined ? null : { ...now, ...checkServer(now) };
  const sessions = needsDatabaseAlone(decision)
    ? await observeSessions(database, stack, context)
    : null;
  const isChange =
    decision.schema.action !== "none" || decision.changes.some((one) => one.action !== "none");
  const asksForServer = kind === "deploy" && isChange && server?.state === "failing";
  return {
    server,
    sessions,
    flags: [
      ...((sessions?.others.length ?? 0) > 0 ? (["--end-sessions"] as const) : []),
      ...(asksForServer ? (["--despite-failures"] as const) : []),
    ],
    refused: (sessions?.blockers.length ?? 0) > 0,
  };
}

/** The same for people; no line where there is nothing to look at. Pure. */
export function describePreflight({ server, sessions, flags }: Preflight): string[] {
  const answered = (flag: Preflight["flags"][number]) =>
    flags.includes(flag) ? [`  asks whether to go on; ${flag} answers`] : [];
  const { others = [], blockers = [] } = sessions ?? {};
  return [
    ...(server === null ? [] : [`server now: ${server.state}; ${describeServer(server)}`]),
    ...(server?.lines ?? []).map((line) => `  ${line}`),
    ...answered("--despite-failures"),
    ...(others.length === 0 ? [] : [`sessions of others on the database: ${others.length}`]),
    ...others.map((line) => `  ${line}`),
    ...answered("--end-sessions"),
    ...(blockers.length === 0 ? [] : ["refused as long as these use the database:"]),
    ...blockers.map((line) => `  ${line}`),
  ];
}
