import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Release } from "../state/release.ts";
import { newestGood } from "../state/releases.ts";
import { keyedDigest, readKey } from "../state/secretKey.ts";
import { secretDigests } from "./prepareStack.ts";

const settingOf = { bundled: "LETTA_PG_PASSWORD", external: "LETTA_PG_URI" } as const;

/**
 * Refuses settings whose database is bundled where the newest good release's is external, or the other way
 * round: the stack would serve from a database without its data. Reads the state only.
 * @param directory the environment's state directory
 * @throws Problem DATABASE_REFUSED naming both
 */
export function refuseOtherPlace(settings: Settings, directory: string): void {
  const present = newestGood(directory);
  if (present === undefined || Object.keys(present.services).length === 0) return;
  const then = "postgres" in present.services ? "bundled" : "external";
  const now = settings.has("LETTA_PG_URI") ? "external" : "bundled";
  if (then === now) return;
  const { environment, secretsFile } = settings;
  throw new Problem(
    "DATABASE_REFUSED",
    `the database of release ${present.id} is ${then}, the settings ask for ${now === "bundled" ? "the bundled one" : "an external one"}`,
    {
      details: [
        now === "external"
          ? `LETTA_PG_URI: ${settings.origin("LETTA_PG_URI")}`
          : `LETTA_PG_URI: set nowhere; ${settingOf.bundled}: ${settings.origin(settingOf.bundled) || "set nowhere"}`,
        ...otherStack,
      ],
      next:
        now === "bundled"
          ? `npm run secrets -- set ${environment} LETTA_PG_URI   (or --from-env LETTA_PG_URI)`
          : `remove LETTA_PG_URI, then npm run secrets -- list ${environment}   (${secretsFile})`,
    },
  );
}

const otherStack = [
  "a deploy moves no data: deploy a stack of its own (another STACK_PROJECT and STATE_DIR) and restore a backup there (restore --foreign)",
  "where the data is there already, deploy with another STATE_DIR and --adopt-state",
];

/**
 * A keyed digest of where an external database is, for the release's manifest: host, port and name, without role
 * and password.
 * @param key the state directory's own
 * @returns undefined for the bundled one
 */
export function databasePlace(settings: Settings, key: Buffer): string | undefined {
  const uri = settings.secrets.get("LETTA_PG_URI");
  if (uri === undefined) return undefined;
  const { hostname, port, pathname } = new URL(uri);
  return keyedDigest(key, `${hostname.toLowerCase()}:${port || "5432"}${pathname}`);
}

/**
 * Refuses an external database at another address than the release's, unless its mark says that this
 * installation served from it: an address may change, a pooler be left out.
 * @param isMarked whether the database carries this installation's mark
 * @throws Problem DATABASE_REFUSED
 */
export function refuseOtherDatabase(
  settings: Settings,
  present: Release | undefined,
  key: Buffer | undefined,
  isMarked: boolean,
): void {
  const then = present?.databasePlace;
  if (then === undefined || key === undefined || isMarked) return;
  const now = databasePlace(settings, key);
  if (now === undefined || now === then) return;
  const { host, pathname } = new URL(settings.secrets.get("LETTA_PG_URI")!);
  throw new Problem(
    "DATABASE_REFUSED",
    `${host}${pathname} is not the database of release ${present!.id}: another address, and no mark of this installation`,
    {
      details: [`LETTA_PG_URI: ${settings.origin("LETTA_PG_URI")}`, ...otherStack],
      next: `npm run secrets -- set ${settings.environment} LETTA_PG_URI   (or --from-env LETTA_PG_URI)`,
    },
  );
}

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
