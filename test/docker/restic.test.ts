// The store's own decisions, against a shell script that stands for restic; test/real/offsite.test.ts has restic itself.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { resticStore } from "../../scripts/docker/restic.ts";
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
      awk -v by="$group" '{ group = by == "tags" ? $0 : "" } ++count[group] <= 2' | tac > "$F/kept"
    mv "$F/kept" "$F/snapshots" ;;
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
