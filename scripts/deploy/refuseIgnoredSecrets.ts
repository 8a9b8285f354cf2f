import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { newestGood } from "../state/releases.ts";
import { keyedDigest, readKey } from "../state/secretKey.ts";
import { secretDigests } from "./prepareStack.ts";
import type { Settings } from "../settings/readSettings.ts";

/**
 * Refuses to go on without a secret that the present release was deployed with and that only the process
 * environment has, where it does not count: absent from the settings, or there with another value.
 * @param ignored names of settings that the process environment has in vain
 * @throws Problem USAGE naming --from-env
 */
export function refuseIgnoredSecrets(
  settings: Settings,
  ignored: readonly string[],
  processEnvironment: Readonly<Record<string, string | undefined>>,
): void {
  const { environment, secretsFile } = settings;
  const directory = join(settings.stateDir, environment);
  const present = newestGood(directory);
  if (present === undefined) return;
  const key = readKey(directory);
  const digestNow = key && secretDigests(settings, key);
  const needed = ignored.filter((name) => {
    const before = present.secrets[name];
    const now = digestNow?.(name);
    if (before === undefined || now === before) return false;
    if (!settings.lookup(name)?.value) return true;
    return key !== undefined && keyedDigest(key, processEnvironment[name] ?? "") === before;
  });
  if (needed.length === 0) return;
  throw new Problem(
    "USAGE",
    `release ${present.id} has ${needed.join(", ")} from the process environment, where it does not count in ${environment}`,
    {
      details: needed.map((name) => {
        const has = settings.lookup(name)?.value ? "has another value" : "has none";
        return `${name}: ${secretsFile} ${has}; unset it in the shell where that is meant`;
      }),
      next: `the same command with --from-env ${needed.join(",")}`,
    },
  );
}
