// The store's own decisions, against a shell script that stands for restic; test/real/offsite.test.ts has restic itself.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Problem } from "../../scripts/common/problem.ts";
import { resticStore, type Store } from "../../scripts/docker/restic.ts";
import { folder } from "../state/folder.ts";

/**
 * A store behind a script in the place of restic, which does what `script` says for `$1`, its command;
 * `$F` is a folder of its own.
 */
function storeOf(script: string, more: { environment?: object; signal?: AbortSignal } = {}) {
  const place = folder();
  writeFileSync(join(place, "restic"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(place, "restic"), 0o755);
  const base = { PATH: `${place}:/usr/bin:/bin`, F: place, ...more.environment };
  const store = resticStore(
    { repository: "/mnt/disk/letta", password: "of-the-store", variables: {} },
    base,
    more.signal ?? new AbortController().signal,
  );
  const lines = (name: string) =>
    existsSync(join(place, name)) ? readFileSync(join(place, name), "utf8").trim().split("\n") : [];
  return { store, place, lines };
}

const summary = `echo '{"snapshot_id": "abc", "data_added": 1}'`;

// Stands for snapshots with their tags, a line each, and for forget with --keep-last=2 of each group.
const snapshots = `
touch "$F/snapshots"
tags= group=tags
for one in "$@"; do
  case "$one" in
    --tag=*) tags="$tags \${one#--tag=}" ;;
    --group-by=*) group="\${one#--group-by=}" ;;
  esac
done
case "$1" in
  backup) echo $tags >> "$F/snapshots"; ${summary} ;;
  forget)
    tac "$F/snapshots" | grep -F -- $tags |
      awk -v by="$group" '{ group = by == "tags" ? $0 : "" } ++count[group] <= 2' | tac > "$F/new"
    mv "$F/new" "$F/snapshots" ;;
esac`;

test("what is old is removed among all backups of a stack, each of which has a tag of its own", async () => {
  const { store, lines } = storeOf(snapshots);
  for (const id of ["one", "two", "three", "four"]) {
    await store.push(["/a"], ["letta-prod", id], []);
    await store.expire("letta-prod");
  }
  assert.deepEqual(lines("snapshots"), ["letta-prod three", "letta-prod four"]);
});

test("what the shell has set for another store does not reach this one", async () => {
  const { store, lines } = storeOf('env > "$F/env"', {
    environment: {
      RESTIC_PASSWORD_FILE: "/other",
      RESTIC_PASSWORD_COMMAND: "cat /other",
      RESTIC_REPOSITORY_FILE: "/other",
      RESTIC_CACHE_DIR: "/cache",
      AWS_REGION: "eu-1",
    },
  });
  await store.create();
  const given = lines("env").filter((one) => /^(?:RESTIC|AWS)_/u.test(one));
  assert.deepEqual(given.toSorted(), [
    "AWS_REGION=eu-1",
    "RESTIC_CACHE_DIR=/cache",
    "RESTIC_PASSWORD=of-the-store",
    "RESTIC_PROGRESS_FPS=0.0167",
    "RESTIC_REPOSITORY=/mnt/disk/letta",
  ]);
});

test("only a store that says it does not exist is one that may be made", async () => {
  const asking = (said: string, code: number) =>
    storeOf(
      `printf '%s\\n' "${said}" 'Is there a repository at the following location?' >&2; exit ${code}`,
    ).store.exists();
  const opening = "Fatal: unable to open config file:";
  assert.equal(await asking("Fatal: repository does not exist", 10), false);
  for (const said of [
    "stat /mnt/disk/letta/config: no such file or directory",
    "Lstat: file does not exist",
    "Stat: The specified key does not exist.",
  ])
    assert.equal(await asking(`${opening} ${said}`, 1), false, said);
  for (const [said, code] of [
    [`${opening} Stat: Access Denied.`, 1],
    [`${opening} stat /mnt/disk/letta/config: permission denied`, 1],
    [`${opening} Stat: Get https://s3: dial tcp: lookup s3.example.com: no such host`, 1],
    ["Identity file /root/id not accessible: No such file or directory.", 1],
    [`${opening} Lstat: file does not exist`, 12],
  ] as const)
    await assert.rejects(asking(said, code), (error: Problem) => {
      assert.deepEqual([error.code, error.exit], ["STORE_REFUSED", 3]);
      assert.ok(error.details.includes(said));
      return true;
    });
});

test("locks of runs that have ended are removed before a backup", async () => {
  const { store, lines } = storeOf(`echo "$1" >> "$F/calls"; [ "$1" != backup ] || ${summary}`);
  await store.push(["/a"], ["letta-prod"], []);
  assert.deepEqual(lines("calls"), ["unlock", "backup"]);
});

// Stands for a restic at work: it takes a lock, and removes it when it is asked to end.
const working = `
[ "$1" != unlock ] || exit 0
touch "$F/lock"
trap 'rm "$F/lock"; touch "$F/unlocked"; exit 130' INT
echo working; touch "$F/ready"
while :; do sleep 0.01; done`;

test("Ctrl-C ends restic in a way that leaves no lock, whatever it does", async () => {
  for (const act of [
    (store: Store) => store.push(["/a"], ["letta-prod"], []),
    (store: Store) => store.readBack("abc", "/a"),
    (store: Store) => store.expire("letta-prod"),
  ]) {
    const stop = new AbortController();
    const { store, place } = storeOf(working, { signal: stop.signal });
    const rejected = assert.rejects(act(store), { name: "AbortError" });
    while (!existsSync(join(place, "ready"))) await sleep(5);
    stop.abort();
    await rejected;
    assert.deepEqual(
      ["lock", "unlocked"].map((one) => existsSync(join(place, one))),
      [false, true],
    );
  }
});

test("a file is read back as it comes, and what is no file is refused", async () => {
  const { store } = storeOf(
    `[ "$3" = /a ] || { echo 'Fatal: cannot dump' >&2; exit 1; }; printf abc`,
  );
  assert.equal(
    await store.readBack("abc", "/a"),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  await assert.rejects(store.readBack("abc", "/b"), {
    code: "STORE_REFUSED",
    details: ["Fatal: cannot dump"],
  });
});
