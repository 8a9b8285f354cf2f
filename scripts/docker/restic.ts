import { createHash } from "node:crypto";
import { Problem } from "../common/problem.ts";
import type { CommandResult } from "./engine.ts";
import { type ProgramCall, runProgram } from "./superviseProgram.ts";

/** A store of backups off this machine: a restic repository, and what opens it. */
export interface StorePlace {
  /** As restic names it: "s3:https://…", "sftp:user@host:dir", "/mnt/disk/letta". */
  readonly repository: string;
  /** Encrypts all that is stored, before it leaves. */
  readonly password: string;
  /** Credentials of the store, by the names that restic reads. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What a push has stored. */
export interface Pushed {
  /** The snapshot's id. */
  readonly snapshot: string;
  /** How much the store has grown by, in bytes. */
  readonly added: number;
}

export interface Store {
  /** Whether there is a store at the place; throws where it does not answer, or has another password. */
  exists(): Promise<boolean>;
  create(): Promise<void>;
  push(
    paths: readonly string[],
    tags: readonly string[],
    excluded: readonly string[],
  ): Promise<Pushed>;
  /** Reads a file of a snapshot back from the store. @returns its SHA-256, in hex */
  readBack(snapshot: string, path: string): Promise<string>;
  /** Removes what is older than a number of days, weeks and months ask for; never the newest. */
  expire(tag: string): Promise<void>;
}

/** A store that does not answer is not waited for longer: restic itself tries for a quarter of an hour. */
const answerMs = 60_000;
const pushMs = 6 * 3600_000;
/** Of a file that is read back: longer than restic itself tries again, so that its own words come. */
const silenceMs = 20 * 60_000;

/** restic removes its lock from the store at a SIGINT; before 0.17 at no other signal. */
const ending = { by: "SIGINT", graceMs: 20_000 } as const;

/**
 * How restic up to 0.16 says that there is no store; a store that refuses or does not answer gets the same
 * first words, and the same question whether there is one at all.
 */
const isMissing =
  /unable to open config file: .*(?:does not exist|no such file|NoSuchKey|NoSuchBucket)/iu;

/** What a shell has set for another store, as RESTIC_PASSWORD_FILE, which is stronger than RESTIC_PASSWORD. */
const isOfAnotherStore = (name: string) =>
  name.startsWith("RESTIC_") && name !== "RESTIC_CACHE_DIR";

/**
 * The store behind the program restic of this host.
 * @param base the process environment: restic needs PATH and HOME, for its cache and for ssh
 */
export function resticStore(
  place: StorePlace,
  base: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Store {
  const environment = {
    ...Object.fromEntries(
      Object.entries(base).filter(
        ([name, value]) => value !== undefined && !isOfAnotherStore(name),
      ),
    ),
    ...place.variables,
    RESTIC_REPOSITORY: place.repository,
    RESTIC_PASSWORD: place.password,
    // One line of progress a minute: the output is gathered until its end.
    RESTIC_PROGRESS_FPS: "0.0167",
  } as Record<string, string>;
  const restic = async (
    argv: readonly string[],
    timeoutMs: number,
    onOutput?: ProgramCall["onOutput"],
  ) => {
    const call = { environment, timeoutMs, signal, ending, ...(onOutput && { onOutput }) };
    const ran = await runProgram("restic", argv, call);
    if (/\bENOENT\b/u.test(ran.stderr) && ran.code === -1) throw notInstalled();
    return ran;
  };
  const must = async (
    what: string,
    argv: readonly string[],
    timeoutMs = answerMs,
    onOutput?: ProgramCall["onOutput"],
  ) => {
    const ran = await restic(argv, timeoutMs, onOutput);
    if (ran.code === 0) return ran.stdout;
    throw refusal(`${place.repository}: ${what}`, ran);
  };
  return {
    async exists() {
      const ran = await restic(["cat", "config", "--no-lock"], answerMs);
      if (ran.code === 0) return true;
      // 10 says so since 0.17; before it only the words do.
      if (ran.code === 10 || (ran.code === 1 && isMissing.test(ran.stderr))) return false;
      throw refusal(`${place.repository}: the store does not open`, ran);
    },
    create: async () => void (await must("no store could be made", ["init"])),
    async push(paths, tags, excluded) {
      const argv = [
        "backup",
        "--json",
        ...tags.map((one) => `--tag=${one}`),
        ...excluded.map((one) => `--exclude=${one}`),
        "--",
        ...paths,
      ];
      // Only locks whose process has ended, or that are old: a killed run's would stop `forget`.
      await restic(["unlock"], answerMs);
      const out = await must("the backup could not be stored", argv, pushMs);
      const last = out.trim().split("\n").at(-1) ?? "";
      const summary = JSON.parse(last) as { snapshot_id: string; data_added: number };
      return { snapshot: summary.snapshot_id, added: summary.data_added };
    },
    async readBack(snapshot, path) {
      const hash = createHash("sha256");
      const argv = ["dump", snapshot, path];
      await must("the backup could not be read back", argv, silenceMs, (chunk) => {
        hash.update(chunk);
      });
      return hash.digest("hex");
    },
    async expire(tag) {
      const keep = ["--keep-last=2", "--keep-daily=7", "--keep-weekly=4", "--keep-monthly=6"];
      // One group a host: two hosts may share a store. By tags each backup would be a group of its own.
      const argv = ["forget", `--tag=${tag}`, "--group-by=host", ...keep, "--prune"];
      await must("what is old could not be removed", argv, pushMs);
    },
  };
}

function refusal(message: string, { code, stderr }: CommandResult): Problem {
  const lines = stderr.trim().split("\n").filter(Boolean).slice(-4);
  const details = lines.length === 0 ? [`restic ended with ${code}`] : lines;
  return new Problem("STORE_REFUSED", message, { details });
}

function notInstalled(): Problem {
  return new Problem("STORE_REFUSED", "expected the program restic on this host, got none", {
    next: "sudo apt-get install restic   (0.14 or later)",
  });
}
