import { Problem } from "../common/problem.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { takeDatabaseLock, type DatabaseHolder } from "../database/takeDatabaseLock.ts";
import type { Held } from "../docker/engine.ts";
import { fenced } from "../docker/holdName.ts";
import type { Holder } from "../state/lockAddress.ts";
import { currentUser, stateLock, takeLock } from "../state/lock.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import { takeEngineLock } from "../state/takeEngineLock.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";

export interface LockedStack {
  /** Tools whose engine is asked nothing once the lock is lost. */
  readonly context: Context;
  unlock(): Promise<void>;
}

/**
 * Takes the locks of a command that writes: of the state directory on this machine, and of the
 * stack at its engine; of a database outside as soon as something is asked of it. A run that loses
 * one of the last two stops before its next step: another may be at work by then.
 * @param command as in the journal: "deploy:prod"
 * @throws Problem LOCKED; what the signal was aborted with
 */
export async function lockStack(
  settings: Settings,
  directory: string,
  { command, wait }: { readonly command: string; readonly wait: boolean },
  context: Context,
): Promise<LockedStack> {
  const { engine, signal } = context;
  const since = new Date(context.now()).toISOString();
  const onWait = (holder: Holder | undefined) =>
    context.reporter.note(
      `waiting for ${holder ? `${holder.command} of ${holder.user}` : "another run"}`,
    );
  const onDatabaseWait = ({ application, address }: DatabaseHolder) =>
    context.reporter.note(
      `waiting for ${application || "another run"} from ${address || "elsewhere"}`,
    );
  const options = { wait, signal, onWait };
  const unlockState = await takeLock(stateLock(directory), { command, since }, options);
  try {
    const installation = installationId(secretKey(directory, context.randomBytes));
    const holder = { command, since, installation, pid: process.pid, ...currentUser() };
    const held = await takeEngineLock(engine, settings.project, holder, options);
    const check = async () => {
      if (!(await held.isAlive()))
        throw lost(settings, command, `${settings.project} at ${engine.endpoint}`);
    };
    const { user, host } = currentUser();
    const name = `${command} ${user}@${host} ${installation.slice(0, 8)}`;
    let locking: Promise<Held> | undefined;
    const databaseLock = async (server: DatabaseServer) => {
      locking ??= takeDatabaseLock(server, { holder: name, wait, signal, onWait: onDatabaseWait });
      const database = await locking.catch((error: unknown) => {
        locking = undefined;
        throw error;
      });
      if (!(await database.isAlive())) throw lost(settings, command, `the database ${server.name}`);
    };
    return {
      context: { ...context, engine: fenced(engine, check), databaseLock },
      async unlock() {
        // A connection that has ended took the lock with it.
        await locking?.then((one) => one.release()).catch(() => undefined);
        await held.release().catch(() => undefined);
        await unlockState();
      },
    };
  } catch (error) {
    await unlockState();
    throw error;
  }
}

function lost({ environment }: Settings, command: string, of: string): Problem {
  return new Problem("LOCK_LOST", `${command} lost the lock of ${of}`, {
    details: [
      "the connection that held it has ended: its server was restarted, this machine slept, or its container or session was removed",
      "it stopped at once, because another run may have begun",
    ],
    next: `npm run status -- ${environment}   (the next deploy or rollback finishes or reverts it)`,
  });
}
