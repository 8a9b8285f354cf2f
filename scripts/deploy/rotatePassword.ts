import { Problem } from "../common/problem.ts";
import { login, writePasswordFile } from "../database/login.ts";
import { quoteName, quoteText } from "../database/psqlClient.ts";
import { scramVerifier } from "../database/scramVerifier.ts";
import { bundledServer } from "../database/sql.ts";
import { writeAssignment } from "../settings/envFile.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import { pendingSecrets, withoutPending, withPending } from "../settings/gatherLayers.ts";
import type { Settings } from "../settings/readSettings.ts";
import { madeSecret, noteDates } from "../settings/secrets.ts";
import { openSecretsFile, type SecretsPlace } from "../settings/secretsFile.ts";
import type { Context } from "../state/context.ts";
import { recover } from "./recover.ts";
import { session } from "./session.ts";

/**
 * Rotates the password of the bundled database, under the lock and in the journal. The parts
 * that use it run with the old one until they are made anew.
 * @param settings with the password of before
 * @param wait whether to wait for another run to end
 * @throws Problem NOTHING_RUNS, LOCKED; what `changePassword` throws
 */
export function rotatePassword(
  settings: Settings,
  place: SecretsPlace,
  wait: boolean,
  context: Context,
): Promise<object> {
  const input = { command: "rotate", reason: "LETTA_PG_PASSWORD", wait };
  return session(settings, input, context, async (begun) => {
    await recover(settings, begun);
    const container = await running(settings, begun.context);
    await begun.context.reporter.step("rotate database password", () =>
      changePassword(settings, container, place, begun.context),
    );
    return {};
  });
}

/** @returns the database's container @throws Problem NOTHING_RUNS where it does not run */
async function running(settings: Settings, context: Context): Promise<string> {
  const containers = await context.engine.containers(settings.project);
  const found = containers.find((one) => one.service === "postgres");
  if (found?.state === "running") return found.id;
  const got = found?.state ?? "no container";
  throw new Problem("NOTHING_RUNS", `postgres: expected it to run, got ${got}`, {
    next: found ? `docker start ${found.name}` : bringUpCommand(settings.environment),
  });
}

const name = "LETTA_PG_PASSWORD";

/**
 * Gives the role of the bundled database another password. The new one stands next to the old
 * one in the secrets file before the database learns it, and takes its place only after a login
 * with it; so an interrupted run knows both, and the next call goes on.
 * @param settings with the password of before
 * @param container the database's, running
 * @throws Problem DATABASE_REFUSED; then the old password is the one that counts, or the
 *   rotation is still noted in the secrets file. STEP_FAILED where the old one opens it too
 */
export async function changePassword(
  settings: Settings,
  container: string,
  place: SecretsPlace,
  context: Pick<Context, "engine" | "now" | "randomBytes">,
): Promise<void> {
  const { engine } = context;
  const again = `npm run secrets -- rotate ${settings.environment} ${name}`;
  const role = settings.get("LETTA_PG_USER");
  const present = settings.get(name);
  const where = { container, user: role, name: settings.get("LETTA_PG_DB") };
  const refusal = (password: string) => login(engine, { ...where, password });
  const opens = async (password: string) => (await refusal(password)) === undefined;

  let file = await openSecretsFile(place);
  const before = file.text ?? "";
  let next = pendingSecrets(before).get(name);
  if (next === undefined) {
    next = madeSecret(context.randomBytes);
    const words = await refusal(present);
    if (words !== undefined) throw refused("the present password does not open it", words, again);
    if (await opens(next)) throw refused("it asks for no password", "any password opens it", again);
    file = await file.write(withPending(before, name, next));
  }
  if (!(await opens(next))) {
    const words = await refusal(present);
    if (words !== undefined) throw refused("neither password opens it", words, again);
    const verifier = scramVerifier(next, context.randomBytes(16));
    const server = bundledServer(engine, { ...where, password: present });
    const said = await server
      .database()
      .ask(`ALTER ROLE ${quoteName(role)} PASSWORD ${quoteText(verifier)}`);
    if (!(await opens(next))) {
      // Nothing came of it: the old one counts, and the new one blocks nothing.
      if (await opens(present)) await file.write(withoutPending(file.text ?? ""));
      throw refused("it rejects the new password", said.message, again);
    }
  }
  await writePasswordFile(engine, container, next);
  const day = new Date(context.now()).toISOString().slice(0, 10);
  const text = withoutPending(writeAssignment(file.text ?? "", name, next));
  await file.write(noteDates(before, text, day));
  if (await opens(present)) {
    throw new Problem("STEP_FAILED", "the new password opens the database, and so does the old", {
      details: [`${file.file} says the new one`],
      next: `look for what lets everybody in: pg_hba.conf of ${container.slice(0, 12)}`,
    });
  }
}

function refused(what: string, words: string, next: string): Problem {
  return new Problem("DATABASE_REFUSED", `the database's password is not rotated: ${what}`, {
    details: [words],
    next,
  });
}
