import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { privateFile } from "../../scripts/commands/editSecrets.ts";
import { portsOf } from "../real/portsOf.ts";
import { workspace, type Ran } from "../real/workspace.ts";

const place = workspace("secrets-cli", portsOf("secrets"));
const home = mkdtempSync(join(tmpdir(), "home-"));
const plain = join(place.root, "env/prod.secrets.env");
const sealed = `${plain}.age`;
const editor = join(home, "editor.sh");
after(async () => {
  await place.remove();
  rmSync(home, { recursive: true });
});

const environment = { PATH: process.env["PATH"], HOME: home, EDITOR: editor };

function start(args: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const child = spawn(
    process.execPath,
    ["--import", "./scripts/commands/start.mjs", "scripts/commands/secrets.ts", ...args],
    { cwd: place.root, env: { ...environment, ...more } },
  );
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ran>((resolve) => {
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

async function secrets(args: readonly string[], stdin = ""): Promise<Ran> {
  const { child, ended } = start(args);
  child.stdin.end(stdin);
  return ended;
}

/** What an editor does to the file "$1". */
function edits(script: string): void {
  writeFileSync(editor, `#!/bin/sh\n${script}\n`);
  chmodSync(editor, 0o755);
}

/** Folders in memory that an edit has left. */
const left = () => readdirSync("/dev/shm").filter((name) => name.startsWith("letta-stack-edit-"));

/** An edit has begun. */
async function edited(): Promise<void> {
  for (let tries = 0; left().length === 0; tries++) {
    assert.ok(tries < 1000, "no edit begins");
    await sleep(20);
  }
}

before(async () => {
  assert.equal((await secrets(["init", "prod"])).code, 0);
  assert.equal((await secrets(["seal", "prod"])).code, 0);
});
beforeEach(() => assert.ok(!existsSync(plain), "there is a plain file on the disk"));

test("edit lends a file in memory that no one else can read, and takes it away", async () => {
  edits('echo "DD_API_KEY=0123456789abcdef" >> "$1"; stat -c "%a %n" "$1" "$(dirname "$1")" >&2');
  const before = readFileSync(sealed);
  const ran = await secrets(["edit", "prod"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, "env/prod.secrets.env.age: changed\n");
  assert.match(ran.stderr, /^600 \/dev\/shm\/letta-stack-edit-\S+\/secrets.env\n700 \/dev\/shm/m);
  assert.notDeepEqual(readFileSync(sealed), before);
  assert.deepEqual(left(), []);
  const listed = await secrets(["list", "prod", "--json"]);
  const said = JSON.parse(listed.stdout) as { environment: string; secrets: { name: string }[] };
  assert.equal(said.environment, "prod");
  assert.deepEqual(said.secrets.at(-1), { name: "DD_API_KEY", state: "set", days: 0 });
});

test("an edit that fails, changes nothing or will not do leaves the file as it is", async () => {
  const before = readFileSync(sealed);
  for (const [script, code, words] of [
    ["true", 0, /as it was/],
    ["echo 'DD_SITE=a' >> \"$1\"; exit 3", 3, /editor ended with 3: nothing was changed/],
    ['echo \'DD_SITE=a b # "\' >> "$1"; echo \'X\' >> "$1"', 2, /expected NAME=value/],
    ["echo 'OPENAI_API_KEY=changeme' >> \"$1\"", 2, /expected a secret of its own/],
  ] as const) {
    edits(script);
    const ran = await secrets(["edit", "prod"]);
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stdout + ran.stderr, words);
    assert.deepEqual(readFileSync(sealed), before);
    assert.deepEqual(left(), []);
  }
});

test("an edit that is ended by a signal leaves nothing in memory; kill -9 until the next one", async () => {
  const before = readFileSync(sealed);
  edits("echo begun >&2; exec sleep 30");
  for (const signals of [["SIGTERM"], ["SIGHUP"], ["SIGINT", "SIGINT"]] as const) {
    const { child, ended } = start(["edit", "prod"]);
    await edited();
    await sleep(200);
    for (const signal of signals) child.kill(signal);
    assert.notEqual((await ended).code, 0);
    assert.deepEqual(left(), []);
  }
  const { child } = start(["edit", "prod"]);
  await edited();
  child.kill("SIGKILL");
  await new Promise((resolve) => child.once("exit", resolve));
  edits("true");
  assert.equal((await secrets(["edit", "prod"])).code, 0);
  assert.deepEqual(left(), []);
  assert.deepEqual(readFileSync(sealed), before);
});

test("without memory to edit in nothing is lent", async () => {
  const work = () => assert.fail("a copy was lent on a disk");
  assert.equal(await privateFile(["", "/nowhere", place.root], "secret", work), undefined);
});

test("set takes a value from standard input, and none from the command line", async () => {
  const set = await secrets(["set", "prod", "OPENAI_API_KEY"], "it's # $5 c4n4ry\n");
  assert.equal(set.code, 2, "an env file cannot hold it");
  const done = await secrets(["set", "prod", "OPENAI_API_KEY"], "c4n4ryc4n4ry # x\n");
  assert.equal(done.code, 0, done.stderr);
  assert.ok(!(done.stdout + done.stderr).includes("c4n4ry"));
  edits('grep OPENAI_API_KEY "$1" >&2');
  assert.match((await secrets(["edit", "prod"])).stderr, /^OPENAI_API_KEY='c4n4ryc4n4ry # x'$/m);
  for (const [args, stdin] of [
    [["set", "prod", "OPENAI_API_KEY", "c4n4ry"], ""],
    [["set", "prod", "OPENAI_API_KEY=c4n4ry"], "x"],
    [["set", "prod", "OPENAI_API_KEY"], ""],
    [["set", "prod"], "c4n4ry"],
    [["list", "prod", "OPENAI_API_KEY"], ""],
    [["show", "prod"], ""],
  ] as const) {
    const ran = await secrets(args, stdin);
    assert.equal(ran.code, 2, args.join(" "));
    assert.ok(!(ran.stdout + ran.stderr).includes("c4n4ry"), ran.stderr);
  }
});

test("rotate refuses what must never change, with nothing touched and no engine asked", async () => {
  const before = readFileSync(sealed);
  const ran = await secrets(["rotate", "prod", "LETTA_ENCRYPTION_KEY", "--yes", "--json"]);
  assert.equal(ran.code, 3);
  const said = JSON.parse(ran.stdout) as Record<string, string>;
  assert.equal(said["code"], "KEY_CHANGED");
  assert.equal(said["environment"], "prod");
  assert.match(said["message"]!, /could not be read/);
  assert.equal(said["next"], "npm run secrets -- list prod");
  assert.deepEqual(readFileSync(sealed), before);
});

test("every command that reads settings reads the sealed ones", async () => {
  const { root } = place;
  const read = spawn(
    process.execPath,
    ["--import", "./scripts/commands/start.mjs", "scripts/commands/settings.ts", "prod", "--json"],
    { cwd: root, env: environment, stdio: ["ignore", "pipe", "ignore"] },
  );
  let stdout = "";
  for await (const chunk of read.stdout) stdout += String(chunk);
  const { settings } = JSON.parse(stdout) as {
    settings: { name: string; origin: string; value: string }[];
  };
  const found = settings.find((one) => one.name === "LETTA_PG_PASSWORD");
  assert.match(found!.origin, /^env\/prod\.secrets\.env\.age:\d+$/);
  assert.equal(found!.value, "••••••");
});
