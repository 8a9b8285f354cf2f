import type { Settings } from "../settings/readSettings.ts";
import type { SecretsText } from "../settings/secretsLayer.ts";
import type { Asked } from "./declaration.ts";
import type { Terminal } from "./narrate.ts";

const begunWith = new WeakMap<Asked, Settings>();

/** The settings that a command read first: its trace goes to their collector. */
export function settingsBegunWith(asked: Asked): Settings | undefined {
  return begunWith.get(asked);
}

/**
 * Reads the settings and has their secrets hidden from here on.
 * @param mayMiss for commands that only look: what nobody has set yet is told, not refused
 * @param over settings that were given as arguments, such as the server's tag
 * @param secrets the text to take for the secrets file's; what is there if left out
 */
export async function settingsOf(
  asked: Asked,
  terminal: Terminal,
  mayMiss = false,
  over: Readonly<Record<string, string>> = {},
  secrets?: SecretsText,
): Promise<Settings> {
  const [{ countedEnvironment }, { openSecrets }, { readSettings }] = await Promise.all([
    import("../settings/countedEnvironment.ts"),
    import("../settings/openSecrets.ts"),
    import("../settings/readSettings.ts"),
  ]);
  const { environment, root: project, fromEnv } = asked;
  const { counted, ignored } = countedEnvironment(environment, process.env, fromEnv);
  if (ignored.length > 0 && !begunWith.has(asked)) {
    const names = ignored.join(", ");
    terminal.note(`not taken from the process environment: ${names} (see --from-env)`);
  }
  const place = { environment, root: project, processEnvironment: { ...counted, ...over } };
  const settings = readSettings({
    ...place,
    mayMiss,
    secrets: secrets ?? (await openSecrets(place)),
  });
  if (settings.missing.length > 0) {
    terminal.note(
      `not set yet: ${settings.missing.join(", ")} (npm run secrets -- init ${environment})`,
    );
  }
  terminal.hides(settings.sensitive());
  if (!begunWith.has(asked)) begunWith.set(asked, settings);
  return settings;
}
