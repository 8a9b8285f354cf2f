import { Problem } from "../common/problem.ts";
import { newestGood } from "../state/releases.ts";
import { stateDirectory } from "../state/stateDirectory.ts";
import { madeSecret, type Rotation, rotationOf, setSecret } from "../settings/secrets.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import { openSecretsFile, type SecretsPlace } from "../settings/secretsFile.ts";
import { withoutPending } from "../settings/gatherLayers.ts";
import type { Settings } from "../settings/readSettings.ts";
import { type Answer, asProblem, type CommandInput } from "./commandDefinition.ts";
import { loadSettings } from "./loadSettings.ts";
import type { Terminal } from "./terminal.ts";
import { createContext } from "./createContext.ts";

/**
 * Gives a secret another value that is made up, and has the parts that use it made anew by the
 * same command as any change: `up` or `deploy` of what serves now.
 * @param name as it was typed
 * @throws Problem USAGE, KEY_CHANGED for a secret that is not to be rotated; NOTHING_RUNS,
 *   DATABASE_REFUSED; STEP_FAILED where it is rotated and the parts are not made anew yet
 */
export async function rotateSecret(
  input: CommandInput,
  place: SecretsPlace,
  name: string,
  terminal: Terminal,
): Promise<Answer> {
  const { environment } = input;
  const opened = await openSecretsFile(place);
  // After a rotation that was interrupted the settings are those of before.
  const text = withoutPending(opened.text ?? "");
  const settings = await loadSettings(input, terminal, false, {}, { file: opened.file, text });
  const rotation = rotationOf(environment, name, settings.get);
  const origin = settings.origin(rotation.name);
  if (!origin.startsWith(`${opened.file}:`)) {
    throw new Problem("USAGE", `${name}: expected it to stand in ${opened.file}, got ${origin}`, {
      next: `npm run settings -- ${environment} --explain ${name}`,
    });
  }
  const context = createContext(terminal);
  const present = newestGood(stateDirectory(settings.stateDir, environment));
  const containers = await context.engine.containers(settings.project);
  const isUp = present !== undefined && containers.some((one) => one.state === "running");
  await terminal.confirm(`Rotate ${name} in ${environment}?`, linesOf(rotation, isUp));
  if (rotation.means === "database") {
    const { rotatePassword } = await import("../deploy/rotatePassword.ts");
    await rotatePassword(settings, place, false, context);
  } else {
    const value = madeSecret(context.randomBytes);
    const day = new Date(context.now()).toISOString().slice(0, 10);
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
  const release = await takeUp(input, settings, rotation, present.tag, terminal);
  const old = rotation.means === "database" ? ", and the database refuses the previous one" : "";
  return {
    result: { ...result, release },
    text: `${name}: rotated${old}; release ${release} runs with it\n`,
  };
}

function linesOf({ name, means, recreates }: Rotation, isUp: boolean): string[] {
  const learns =
    "the running database learns a new one; once a login with it works, the file says it";
  const anew = ["the parts that use it are made anew", ...recreates.map((one) => `${one} too`)];
  return [
    means === "database" ? learns : `the secrets file says a new ${name}`,
    isUp ? `${anew.join(", ")}; data stays` : "nothing runs that uses it",
    ...(means === "database" && isUp
      ? ["in between, new connections of the server are refused"]
      : []),
  ];
}

/** What serves now, under the new value. @returns the release */
async function takeUp(
  input: CommandInput,
  previous: Settings,
  { name, recreates }: Rotation,
  tag: string,
  terminal: Terminal,
): Promise<string> {
  const { environment } = input;
  const isLocal = environment === "dev" || environment === "development";
  const recreate = recreates.length === 0 ? "" : ` --recreate ${recreates.join(",")}`;
  try {
    const over = isLocal ? {} : { LETTA_VERSION: tag };
    const settings = await loadSettings(input, terminal, false, over);
    terminal.hides([...previous.sensitive(), ...settings.sensitive()]);
    const context = createContext(terminal);
    if (isLocal) {
      const { up } = await import("../deploy/up.ts");
      return (await up(settings, { recreate: recreates, wait: true }, context)).release;
    }
    const { deploy } = await import("../deploy/deploy.ts");
    const reason = `${name} rotated`;
    return (await deploy(settings, { reason, wait: true, recreate: recreates }, context)).release;
  } catch (error) {
    const problem = asProblem(error);
    if (problem === undefined) throw error;
    const command = isLocal ? bringUpCommand(environment) : `npm run deploy:${environment}`;
    const next = `${command} --${isLocal ? "" : ` ${tag}`}${recreate}`.replace(/ --$/, "");
    throw new Problem("STEP_FAILED", `${name} is rotated, but not every service runs with it yet`, {
      details: [problem.message, ...problem.details],
      next,
      cause: error,
    });
  }
}
