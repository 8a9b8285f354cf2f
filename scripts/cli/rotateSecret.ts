import { Problem } from "../common/problem.ts";
import { newestGood } from "../ledger/releases.ts";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Rotation } from "../settings/rotationOf.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import { madeSecret } from "../settings/madeSecret.ts";
import { openSecretsFile, type SecretsPlace } from "../settings/openSecretsFile.ts";
import { withoutPending } from "../settings/pendingSecrets.ts";
import type { Settings } from "../settings/readSettings.ts";
import { rotationOf } from "../settings/rotationOf.ts";
import { setSecret } from "../settings/setSecret.ts";
import { asProblem } from "./asProblem.ts";
import type { Asked, Answer } from "./declaration.ts";
import { settingsOf } from "./settingsOf.ts";
import type { Terminal } from "./narrate.ts";
import { toolsOf } from "./toolsOf.ts";

/**
 * Gives a secret another value that is made up, and has the parts that use it made anew by the
 * same road as any change: `up` or `deploy` of what serves now.
 * @param name as it was typed
 * @throws Problem USAGE, KEY_CHANGED for a secret that is not to be rotated; NOTHING_RUNS,
 *   DATABASE_REFUSED; STEP_FAILED where it is rotated and the parts are not made anew yet
 */
export async function rotateSecret(
  asked: Asked,
  place: SecretsPlace,
  name: string,
  terminal: Terminal,
): Promise<Answer> {
  const { environment } = asked;
  const opened = await openSecretsFile(place);
  // After a rotation that was cut off the settings are those of before.
  const text = withoutPending(opened.text ?? "");
  const settings = await settingsOf(asked, terminal, false, {}, { file: opened.file, text });
  const rotation = rotationOf(environment, name, settings.get);
  const origin = settings.origin(rotation.name);
  if (!origin.startsWith(`${opened.file}:`)) {
    throw new Problem("USAGE", `${name}: expected it to stand in ${opened.file}, got ${origin}`, {
      next: `npm run settings -- ${environment} --explain ${name}`,
    });
  }
  const tools = toolsOf(terminal);
  const present = newestGood(stateDirectory(settings.stateDir, environment));
  const containers = await tools.engine.containers(settings.project);
  const isUp = present !== undefined && containers.some((one) => one.state === "running");
  await terminal.confirm(`Rotate ${name} in ${environment}?`, linesOf(rotation, isUp));
  if (rotation.way === "database") {
    const { rotatePassword } = await import("../rollout/rotatePassword.ts");
    await rotatePassword(settings, place, false, tools);
  } else {
    const value = madeSecret(tools.randomBytes);
    const day = new Date(tools.now()).toISOString().slice(0, 10);
    await setSecret(place, opened, { name, value, day });
  }
  const result = { environment, name, file: opened.file };
  if (!isUp) {
    const next = bringUpCommand(environment);
    return {
      result: { ...result, release: null, next },
      text: `${name}: rotated\nnext: ${next}\n`,
    };
  }
  const release = await takeUp(asked, settings, rotation, present.tag, terminal);
  const old = rotation.way === "database" ? ", and the database refuses the former one" : "";
  return {
    result: { ...result, release },
    text: `${name}: rotated${old}; release ${release} runs with it\n`,
  };
}

function linesOf({ name, way, recreates }: Rotation, isUp: boolean): string[] {
  const learns =
    "the running database learns a new one; once a login with it works, the file says it";
  const anew = ["the parts that use it are made anew", ...recreates.map((one) => `${one} too`)];
  return [
    way === "database" ? learns : `the secrets file says a new ${name}`,
    isUp ? `${anew.join(", ")}; data stays` : "nothing runs that uses it",
    ...(way === "database" && isUp
      ? ["in between, new connections of the server are refused"]
      : []),
  ];
}

/** What serves now, under the new value. @returns the release */
async function takeUp(
  asked: Asked,
  former: Settings,
  { name, recreates }: Rotation,
  tag: string,
  terminal: Terminal,
): Promise<string> {
  const { environment } = asked;
  const isLocal = environment === "dev" || environment === "development";
  const recreate = recreates.length === 0 ? "" : ` --recreate ${recreates.join(",")}`;
  try {
    const over = isLocal ? {} : { LETTA_VERSION: tag };
    const settings = await settingsOf(asked, terminal, false, over);
    terminal.hides([...former.sensitive(), ...settings.sensitive()]);
    const tools = toolsOf(terminal);
    if (isLocal) {
      const { up } = await import("../rollout/up.ts");
      return (await up(settings, { recreate: recreates, wait: true }, tools)).release;
    }
    const { deploy } = await import("../rollout/deploy.ts");
    const reason = `${name} rotated`;
    return (await deploy(settings, { reason, wait: true, recreate: recreates }, tools)).release;
  } catch (error) {
    const problem = asProblem(error);
    if (problem === undefined) throw error;
    const command = isLocal ? bringUpCommand(environment) : `npm run deploy:${environment}`;
    const next = `${command} --${isLocal ? "" : ` ${tag}`}${recreate}`.replace(/ --$/, "");
    throw new Problem("STEP_FAILED", `${name} is rotated, but not every part runs with it yet`, {
      details: [problem.message, ...problem.details],
      next,
      cause: error,
    });
  }
}
