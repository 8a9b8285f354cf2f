import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { SecretsText } from "../settings/gatherLayers.ts";
import type { CommandInput } from "./commandDefinition.ts";
import type { Terminal } from "./terminal.ts";

const begunWith = new WeakMap<CommandInput, Settings>();

/** The settings that a command read first: its trace goes to their collector. */
export function settingsBegunWith(input: CommandInput): Settings | undefined {
  return begunWith.get(input);
}

/**
 * Reads the settings and has their secrets hidden from here on.
 * @param mayMiss for commands that only look: a setting that is not set yet is reported, not refused
 * @param over settings that were given as arguments, such as the server's tag
 * @param secrets the text to take for the secrets file's; the stored one if left out
 */
export async function loadSettings(
  input: CommandInput,
  terminal: Terminal,
  mayMiss = false,
  over: Readonly<Record<string, string>> = {},
  secrets?: SecretsText,
): Promise<Settings> {
  const [
    { countedEnvironment },
    { ignoredCures },
    { noteIgnored },
    { openSecrets },
    { readSettings },
  ] = await Promise.all([
    import("../settings/gatherLayers.ts"),
    import("../settings/readSettings.ts"),
    import("./commandDefinition.ts"),
    import("../settings/secretsFile.ts"),
    import("../settings/readSettings.ts"),
  ]);
  const { environment, root: project, fromEnv } = input;
  const { counted, ignored } = countedEnvironment(environment, process.env, fromEnv);
  const isFirst = !begunWith.has(input);
  if (isFirst) noteIgnored(ignored, terminal);
  const place = { environment, root: project, processEnvironment: { ...counted, ...over } };
  const text = secrets ?? (await openSecrets(place));
  const cures = ignoredCures(ignored, (name) => {
    const taken = name === undefined ? {} : { [name]: process.env[name] };
    const processEnvironment = { ...place.processEnvironment, ...taken };
    return readSettings({ ...place, processEnvironment, secrets: text, mayMiss: true });
  });
  const settings = readOrTell(() => readSettings({ ...place, mayMiss, secrets: text }), cures);
  if (settings.missing.length > 0) {
    const next = cures.length > 0 ? takingText(cures) : `npm run secrets -- init ${environment}`;
    terminal.note(`not set yet: ${settings.missing.join(", ")} (${next})`);
  }
  terminal.hides(settings.sensitive());
  // A rotation reads a text that differs on purpose.
  if (isFirst && !mayMiss && secrets === undefined && ignored.length > 0) {
    const { refuseIgnoredSecrets } = await import("../deploy/assertSamePlace.ts");
    refuseIgnoredSecrets(settings, ignored, process.env);
  }
  if (!begunWith.has(input)) begunWith.set(input, settings);
  return settings;
}

const takingText = (names: readonly string[]) =>
  `the same command with --from-env ${names.join(",")}`;

/** Settings that cannot be used for lack of what the process environment has name that way on first. */
function readOrTell(read: () => Settings, cures: readonly string[]): Settings {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Problem) || cures.length === 0) throw error;
    const { code, message, details } = error;
    const ignored = `in the process environment, which does not count here: ${cures.join(", ")}`;
    throw new Problem(code, message, { details: [...details, ignored], next: takingText(cures) });
  }
}

/** Tells which settings of a telemetry backend lead nowhere, and where the telemetry goes instead. */
export async function noteUnused(settings: Settings, terminal: Terminal): Promise<void> {
  const { backendNames, chooseProfile } = await import("../stack/fragments.ts");
  const { profile, cause, unused } = chooseProfile(settings.environment, settings.lookup);
  if (unused.length === 0) return;
  terminal.note(
    `set, but not used: ${unused.join(", ")}; telemetry goes to ${backendNames[profile]} (${cause})`,
  );
}
