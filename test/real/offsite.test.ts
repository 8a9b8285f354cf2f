// Backups off the machine, into real restic stores in directories.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { globSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { ensureStore, storeOffsite, storePlace } from "../../scripts/deploy/offsite.ts";
import { readOffsite } from "../../scripts/state/offsite.ts";
import { resticStore } from "../../scripts/docker/restic.ts";
import type { Backup } from "../../scripts/state/backups.ts";
import { dumpPath } from "../../scripts/state/backups.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { settingsOf } from "../deploy/exampleTarget.ts";
import { folder } from "../state/folder.ts";

const password = "of-the-store-alone";
const settings = settingsOf("prod", { BACKUP_PASSWORD: password });
const signal = new AbortController().signal;
let path = process.env["PATH"];

/** A reporter that answers each question so, and remembers what was asked. */
function answering(yes: boolean) {
  const asked: string[] = [];
  const notes: string[] = [];
  return {
    asked,
    notes,
    signal,
    now: () => Date.parse("2026-11-30T12:00:00Z"),
    reporter: {
      steps: [],
      step: async <Result>(_: string, work: (report: () => void) => Promise<Result>) =>
        work(() => undefined),
      note: (text: string) => void notes.push(text),
      confirm: (question: string) => {
        asked.push(question);
        return yes ? Promise.resolve() : Promise.reject(new Error("declined"));
      },
    },
  };
}

/** An environment's state with one backup in it. */
function state(text = "a dump ".repeat(10_000)) {
  const directory = stateDirectory(folder(), "prod");
  const id = "000003-20261130T120000Z";
  writeFileSync(dumpPath(directory, id), text);
  writeFileSync(dumpPath(directory, id).replace(/dump$/u, "json"), "{}");
  const backup = { id, sha256: createHash("sha256").update(text).digest("hex") } as Backup;
  return { directory, backup };
}

const openStore = (place: string, own = settings) => {
  const opened = storePlace(place, own);
  return { place: opened, store: resticStore(opened, { PATH: path, HOME: folder() }, signal) };
};

/** restic of this host, or Debian's, unpacked for this test. */
before(() => {
  if (spawnSync("restic", ["version"]).status === 0) return;
  const cwd = folder();
  for (const argv of [
    ["apt-get", "download", "restic"],
    ["sh", "-c", "dpkg -x restic_*.deb ."],
  ]) {
    const [program = "", ...rest] = argv;
    const { status, stderr } = spawnSync(program, rest, { cwd });
    assert.equal(status, 0, stderr.toString());
  }
  path = `${join(cwd, "usr/bin")}:${path}`;
});

test("a backup is stored encrypted, read back byte for byte, and the second one adds little", async () => {
  const place = join(folder(), "store");
  const { directory, backup } = state();
  const opened = openStore(place);
  const reported = answering(true);
  await ensureStore(opened.store, opened.place, directory, reported);
  assert.equal(reported.asked.length, 1);
  const storing = { settings, directory, backup };
  const first = await storeOffsite(opened.store, opened.place, storing, reported);
  assert.deepEqual(readOffsite(directory), first);
  await ensureStore(opened.store, opened.place, directory, answering(false));
  const second = await storeOffsite(opened.store, opened.place, storing, reported);
  assert.ok(second.added < first.added / 2, `${first.added}, ${second.added}`);
  assert.deepEqual(reported.notes, []);
  const stored = globSync(`${place}/**/*`).filter((one) => statSync(one).isFile());
  const isReadable = stored.some((one) => readFileSync(one).includes("a dump a dump"));
  assert.ok(stored.length > 3 && !isReadable);
});

test("of backups that follow each other at once the last two stay in the store", async () => {
  const place = join(folder(), "store");
  const { directory, backup } = state();
  const opened = openStore(place);
  await opened.store.create();
  for (const id of [
    "000003-20261130T120000Z",
    "000003-20261130T120001Z",
    "000003-20261130T120002Z",
  ]) {
    for (const end of ["dump", "json"])
      writeFileSync(
        dumpPath(directory, id).replace(/dump$/u, end),
        readFileSync(dumpPath(directory, backup.id).replace(/dump$/u, end)),
      );
    const storing = { settings, directory, backup: { ...backup, id } };
    const reported = answering(true);
    await storeOffsite(opened.store, opened.place, storing, reported);
    assert.deepEqual(reported.notes, []);
  }
  assert.equal(globSync(`${place}/snapshots/*`).length, 2);
});

test("a store is made only on request, and one that was used and has gone is refused", async () => {
  const place = join(folder(), "store");
  const { directory, backup } = state();
  const opened = openStore(place);
  await assert.rejects(
    ensureStore(opened.store, opened.place, directory, answering(false)),
    /declined/u,
  );
  await ensureStore(opened.store, opened.place, directory, answering(true));
  await storeOffsite(opened.store, opened.place, { settings, directory, backup }, answering(true));
  rmSync(place, { recursive: true });
  const gone = answering(true);
  await assert.rejects(ensureStore(opened.store, opened.place, directory, gone), {
    code: "STORE_REFUSED",
    exit: 3,
  });
  assert.deepEqual(gone.asked, []);
});

test("another password opens nothing, and is in no message", async () => {
  const place = join(folder(), "store");
  const opened = openStore(place);
  await opened.store.create();
  const wrong = openStore(place, settingsOf("prod", { BACKUP_PASSWORD: "another-password" }));
  await assert.rejects(wrong.store.exists(), (error: Problem) => {
    assert.equal(error.code, "STORE_REFUSED");
    assert.match(error.details.join(), /wrong password/u);
    assert.doesNotMatch(error.message + error.details.join(), /another-password|of-the-store/u);
    return true;
  });
});

test("a store that gives back something else is no backup", async () => {
  const place = join(folder(), "store");
  const { directory, backup } = state();
  const opened = openStore(place);
  await opened.store.create();
  const other = { ...backup, sha256: "0".repeat(64) };
  await assert.rejects(
    storeOffsite(
      opened.store,
      opened.place,
      { settings, directory, backup: other },
      answering(true),
    ),
    { code: "BACKUP_DAMAGED", exit: 5 },
  );
  assert.equal(readOffsite(directory), undefined);
});

test("a place that is none is bad input; without a password nothing leaves the machine", () => {
  for (const place of ["relative", "s3:bucket", "sftp:host", "rest:http://h/"])
    assert.throws(() => storePlace(place, settings), { code: "USAGE", exit: 2 });
  for (const place of ["s3:https://s3.example.com/bucket", "sftp:me@host:dir", "/mnt/disk"])
    assert.equal(storePlace(place, settings).repository, place);
  assert.throws(() => storePlace("/mnt/disk", settingsOf("prod")), {
    code: "STORE_REFUSED",
    exit: 3,
  });
});
