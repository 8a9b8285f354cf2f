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
import { secretKey, readKey, deviceId } from "../../scripts/state/secretKey.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { folder } from "./folder.ts";

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("a directory that is missing is made, for its owner alone", () => {
  const state = join(folder(), "deep", "state");
  const directory = stateDirectory(state, "dev");
  assert.equal(directory, join(state, "dev"));
  assert.deepEqual([mode(state), mode(directory)], ["700", "700"]);
});

test("an environment's directory is closed, the one it is in stays as it is", () => {
  const state = folder();
  mkdirSync(join(state, "dev", "releases"), { recursive: true });
  for (const path of [state, join(state, "dev"), join(state, "dev", "releases")])
    chmodSync(path, 0o755);
  mkdirSync(join(state, "others"), { mode: 0o755 });
  stateDirectory(state, "dev");
  const modes = ["", "others", "dev", "dev/releases"].map((name) => mode(join(state, name)));
  assert.deepEqual(modes, ["755", "755", "700", "700"]);
});

for (const shared of [0o1777, 0o1755, 0o777]) {
  test(`a STATE_DIR of mode ${shared.toString(8)} is refused, and stays so`, () => {
    const state = folder();
    chmodSync(state, shared);
    assert.throws(() => stateDirectory(state, "dev"), { code: "STATE_UNUSABLE" });
    assert.equal(statSync(state).mode & 0o7777, shared);
    assert.deepEqual(readdirSync(state), []);
  });
}

test("a directory of the environment's name that is something else stays as it is", () => {
  const state = folder();
  const website = join(state, "prod");
  mkdirSync(join(website, "releases"), { recursive: true });
  writeFileSync(join(website, "index.html"), "");
  chmodSync(website, 0o755);
  assert.throws(() => stateDirectory(state, "prod"), {
    code: "STATE_UNUSABLE",
    message: /index\.html/,
  });
  assert.equal(mode(website), "755");
  assert.deepEqual(readdirSync(website).sort(), ["index.html", "releases"]);
});

test("state with a journal is the tool's, also where a folder of it is lost", () => {
  const state = folder();
  mkdirSync(join(state, "prod"));
  for (const name of ["journal.jsonl", "note"]) writeFileSync(join(state, "prod", name), "");
  assert.equal(stateDirectory(state, "prod"), join(state, "prod"));
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
