import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { foreseen, Problem } from "../common/problem.ts";
import type { Store, StorePlace } from "../docker/restic.ts";
import type { Settings } from "../settings/readSettings.ts";
import { dumpPath, type Backup } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import { keepOffsite, readOffsite, type Offsite } from "../state/offsite.ts";

/**
 * What a place off the machine is opened with.
 * @throws Problem USAGE for what is no place, STORE_REFUSED where it has no password
 */
export function storePlace(place: string, settings: Settings): StorePlace {
  const isKnown = /^s3:https?:\/\/[^/]+\/./u.test(place) || /^sftp:[^:]+:./u.test(place);
  if (!isKnown && !isAbsolute(place)) {
    throw new Problem(
      "USAGE",
      `expected s3:https://<host>/<bucket>, sftp:<user>@<host>:<folder> or an absolute path, got ${JSON.stringify(place)}`,
    );
  }
  const password = settings.secrets.get("BACKUP_PASSWORD");
  if (password === undefined) {
    throw new Problem(
      "STORE_REFUSED",
      "expected BACKUP_PASSWORD, which encrypts what leaves this machine, got none",
      {
        next: `npm run secrets -- set ${settings.environment} BACKUP_PASSWORD   (and store it on another machine)`,
      },
    );
  }
  const credentials = {
    AWS_ACCESS_KEY_ID: settings.secrets.get("BACKUP_S3_KEY_ID"),
    AWS_SECRET_ACCESS_KEY: settings.secrets.get("BACKUP_S3_KEY"),
  };
  const variables = Object.fromEntries(
    Object.entries(credentials).filter(([, value]) => value !== undefined),
  ) as Record<string, string>;
  return { repository: place, password, variables };
}

/**
 * Has a store at its place, before anything is dumped for it.
 * @throws Problem STORE_REFUSED where it does not answer, and where one that was used has gone: a disk that
 *   is not mounted would get a new store on the disk below it
 */
export async function ensureStore(
  store: Store,
  { repository }: StorePlace,
  directory: string,
  { reporter }: Pick<Context, "reporter">,
): Promise<void> {
  if (await reporter.step(`open ${repository}`, () => store.exists())) return;
  if (readOffsite(directory)?.place === repository) {
    throw new Problem(
      "STORE_REFUSED",
      `${repository}: expected the store that was used before, got none`,
      {
        next: "mount its disk, or name another place: --to <place>",
      },
    );
  }
  await reporter.confirm(`Make a new store at ${repository}?`, [
    "it is encrypted with BACKUP_PASSWORD; without that nothing in it can be read",
  ]);
  await reporter
    .step("make the store", () => store.create())
    .catch((error: unknown) => {
      const problem = foreseen(error);
      if (problem?.code !== "INTERRUPTED") throw error;
      throw new Problem("INTERRUPTED", `interrupted while a store was made at ${repository}`, {
        exit: 5,
        next: "the same command again",
        cause: error,
      });
    });
}

/**
 * Stores a backup off the machine: dump, manifest, releases, journal, settings and secrets; encrypted before
 * they leave. It counts once the dump was read back from the store, byte for byte. Then what is old is removed.
 * @throws Problem STORE_REFUSED; BACKUP_DAMAGED where the store gave back something else; INTERRUPTED. All of them
 *   with exit 5, as the backup was made, and say where it is
 */
export async function storeOffsite(
  store: Store,
  place: StorePlace,
  storing: Storing,
  context: Pick<Context, "reporter" | "now" | "signal">,
): Promise<Offsite> {
  const { settings, directory, backup } = storing;
  const tag = `${settings.project}-${settings.environment}`;
  const offsite = await pushAndReadBack(store, place, { ...storing, tag }, context).catch(
    (error: unknown) => {
      throw afterBackup(error, `backup ${backup.id} is on this machine alone`, settings);
    },
  );
  keepOffsite(directory, offsite);
  await store.expire(tag).catch((error: unknown) => {
    if (context.signal.aborted) {
      const where = `backup ${backup.id} is stored at ${place.repository}, and old ones may still be there`;
      throw afterBackup(error, where, settings);
    }
    context.reporter.note(String((error as Error).message));
  });
  return offsite;
}

interface Storing {
  readonly settings: Settings;
  readonly directory: string;
  readonly backup: Backup;
}

/** A failure after a backup was made: it has touched something. @param where the backup is */
function afterBackup(error: unknown, where: string, { environment }: Settings): unknown {
  const problem = foreseen(error);
  if (problem === undefined) return error;
  const { code, message, details } = problem;
  return new Problem(code, `${where}: ${code === "INTERRUPTED" ? "interrupted" : message}`, {
    details,
    exit: 5,
    next: `npm run backup -- ${environment}`,
    cause: error,
  });
}

async function pushAndReadBack(
  store: Store,
  { repository }: StorePlace,
  { settings, directory, backup, tag }: Storing & { readonly tag: string },
  { reporter, now }: Pick<Context, "reporter" | "now">,
): Promise<Offsite> {
  const dump = dumpPath(directory, backup.id);
  const paths = [dump, dump.replace(/dump$/u, "json")];
  const others = [
    ...["releases", "journal.jsonl", "key"].map((one) => join(directory, one)),
    join(settings.root, "env"),
    join(settings.root, "hooks"),
  ].filter((one) => existsSync(one));
  const key = settings.get("SECRETS_KEY_FILE");
  const pushed = await reporter.step(
    `store ${backup.id} off this machine`,
    () => store.push([...paths, ...others], [tag, backup.id], key === "" ? [] : [key]),
    ({ added }) => `${(added / 1e6).toFixed(1)} MB added`,
  );
  const digest = await reporter.step(
    "read it back",
    () => store.readBack(pushed.snapshot, dump),
    () => "the dump, byte for byte",
  );
  if (digest !== backup.sha256) {
    throw new Problem("BACKUP_DAMAGED", `${repository} gave back another dump than ${backup.id}`, {
      details: [`expected the SHA-256 ${backup.sha256}, got ${digest}`],
    });
  }
  const at = new Date(now()).toISOString();
  return { place: repository, backup: backup.id, ...pushed, at };
}
