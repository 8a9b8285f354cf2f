import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { secretKey, readKey, deviceId } from "../../scripts/ledger/secretKey.ts";
import { stateDirectory } from "../../scripts/ledger/stateDirectory.ts";
import { folder } from "./folder.ts";

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("a directory that is missing is made, for its owner alone", () => {
  const state = join(folder(), "deep", "state");
  const directory = stateDirectory(state, "dev");
  assert.equal(directory, join(state, "dev"));
  assert.deepEqual([mode(state), mode(directory)], ["700", "700"]);
});

test("a directory that others can read is closed", () => {
  const state = folder();
  mkdirSync(join(state, "dev"));
  for (const path of [state, join(state, "dev")]) chmodSync(path, 0o755);
  stateDirectory(state, "dev");
  assert.deepEqual([mode(state), mode(join(state, "dev"))], ["700", "700"]);
});

test("a link in place of an environment's directory is refused", () => {
  const [state, elsewhere] = [folder(), folder()];
  symlinkSync(elsewhere, join(state, "dev"));
  assert.throws(() => stateDirectory(state, "dev"), { code: "STATE_UNUSABLE", exit: 3 });
});

test("a link in place of the whole state is refused", () => {
  const [parent, elsewhere] = [folder(), folder()];
  symlinkSync(elsewhere, join(parent, "state"));
  assert.throws(() => stateDirectory(join(parent, "state"), "dev"), { code: "STATE_UNUSABLE" });
});

test("a link that is refused was not followed", () => {
  const [state, elsewhere] = [folder(), folder()];
  symlinkSync(elsewhere, join(state, "dev"));
  assert.throws(() => stateDirectory(state, "dev"));
  assert.deepEqual(readdirSync(elsewhere), []);
});

for (const name of ["releases", "backups", "evidence"]) {
  test(`${name}/ is made, for its owner alone; a link in its place is refused`, () => {
    const [state, elsewhere] = [folder(), folder()];
    const directory = stateDirectory(state, "dev");
    assert.equal(mode(join(directory, name)), "700");
    rmdirSync(join(directory, name));
    symlinkSync(elsewhere, join(directory, name));
    assert.throws(() => stateDirectory(state, "dev"), { code: "STATE_UNUSABLE" });
  });
}

test("a file in its place is refused with what to do", () => {
  const state = join(folder(), "file");
  writeFileSync(state, "");
  assert.throws(() => stateDirectory(state, "dev"), {
    code: "STATE_UNUSABLE",
    next: "set STATE_DIR to a directory of your own",
  });
});

test("the key of secret digests is made once and read again", () => {
  const directory = folder();
  assert.equal(readKey(directory), undefined);
  const made = secretKey(directory, (count) => Buffer.alloc(count, 1));
  assert.equal(made.length, 32);
  assert.deepEqual(
    secretKey(directory, (count) => Buffer.alloc(count, 2)),
    made,
  );
  assert.deepEqual(readKey(directory), made);
  assert.equal(mode(join(directory, "key")), "600");
});

test("an installation keeps its id", () => {
  const directory = folder();
  const id = deviceId(secretKey(directory, (count) => Buffer.alloc(count, 0xab)));
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.equal(deviceId(secretKey(directory, () => Buffer.from("other"))), id);
  assert.notEqual(deviceId(Buffer.alloc(32, 1)), id);
});
