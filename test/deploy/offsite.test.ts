// What a run says of a backup whose store fails or is interrupted; test/real/offsite.test.ts has restic itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ensureStore, storeOffsite } from "../../scripts/deploy/offsite.ts";
import type { Store } from "../../scripts/docker/restic.ts";
import type { Backup } from "../../scripts/state/backups.ts";
import { readOffsite } from "../../scripts/state/offsite.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { folder } from "../state/folder.ts";
import { settingsOf } from "./exampleTarget.ts";

const place = { repository: "/mnt/disk/letta", password: "of-the-store", variables: {} };
const backup = { id: "000003-20261130T120000Z", sha256: "abc" } as Backup;

/** Stores the backup in a store that answers well, but for the `more`; `stop` is what Ctrl-C aborts. */
function storing(more: (stop: () => never) => Partial<Store>) {
  const interruption = new AbortController();
  const stop = () => {
    interruption.abort();
    throw interruption.signal.reason;
  };
  const store = {
    push: async () => ({ snapshot: "1", added: 1 }),
    readBack: async () => backup.sha256,
    expire: async () => undefined,
    ...more(stop),
  } as Store;
  const notes: string[] = [];
  const context = {
    reporter: {
      steps: [],
      step: async <Result>(_: string, work: (report: () => void) => Promise<Result>) =>
        work(() => undefined),
      note: (text: string) => void notes.push(text),
      confirm: async () => undefined,
    },
    now: () => Date.parse("2026-11-30T12:00:00Z"),
    signal: interruption.signal,
  };
  const directory = stateDirectory(folder(), "prod");
  const stored = () =>
    storeOffsite(store, place, { settings: settingsOf("prod"), directory, backup }, context);
  return { stored, directory, notes, ensured: () => ensureStore(store, place, directory, context) };
}

test("a run that is interrupted after its backup was made says where that is, and does not end with 3", async () => {
  for (const what of ["push", "readBack"] as const) {
    const { stored, directory } = storing((stop) => ({ [what]: async () => stop() }));
    const message = /^backup 000003-20261130T120000Z is on this machine alone: interrupted$/u;
    await assert.rejects(stored(), { code: "INTERRUPTED", exit: 5, message });
    assert.equal(readOffsite(directory), undefined);
  }
  const { stored, directory, notes } = storing((stop) => ({ expire: async () => stop() }));
  const message = /is stored at \/mnt\/disk\/letta, and old ones may still be there: interrupted$/u;
  await assert.rejects(stored(), { code: "INTERRUPTED", exit: 5, message });
  assert.equal(readOffsite(directory)?.backup, backup.id);
  assert.deepEqual(notes, []);
});

test("a backup is stored although what is old could not be removed", async () => {
  const { stored, notes } = storing(() => ({ expire: () => Promise.reject(new Error("locked")) }));
  assert.equal((await stored()).backup, backup.id);
  assert.deepEqual(notes, ["locked"]);
});

test("an interruption while a store is made has touched something, one before has not", async () => {
  const making = storing((stop) => ({ exists: async () => false, create: async () => stop() }));
  await assert.rejects(making.ensured(), { code: "INTERRUPTED", exit: 5 });
  const opening = storing((stop) => ({ exists: async () => stop() }));
  await assert.rejects(opening.ensured(), { name: "AbortError" });
});
