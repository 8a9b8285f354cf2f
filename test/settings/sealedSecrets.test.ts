import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { initSecrets } from "../../scripts/settings/secrets.ts";
import { openSecrets, openSecretsFile, sealSecrets } from "../../scripts/settings/secretsFile.ts";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import { project } from "./project.ts";

const day = "2026-11-21";
const plain = "env/prod.secrets.env";
const sealed = `${plain}.age`;

/** A project whose key is in a home of its own. */
function lockable(context: TestContext) {
  const home = mkdtempSync(join(tmpdir(), "home-"));
  context.after(() => rmSync(home, { recursive: true }));
  const { root, write } = project(context);
  const key = join(home, ".config/letta-stack/key");
  const place = { environment: "prod", root, processEnvironment: { HOME: home } } as const;
  const path = (file: string) => join(root, file);
  const init = (random = randomBytes as (count: number) => Buffer) =>
    initSecrets({ ...place, random, day });
  const settings = async () => readSettings({ ...place, secrets: await openSecrets(place) });
  return { home, key, place, path, write, init, settings, seal: () => sealSecrets(place, day) };
}

test("a sealed file is read as the plain one was, and holds none of its words", async (context) => {
  const { key, path, init, settings, seal } = lockable(context);
  await init();
  const before = await settings();
  assert.deepEqual(await seal(), { file: sealed, key });
  assert.ok(!existsSync(path(plain)), "the plain one is left");
  assert.equal(statSync(path(sealed)).mode & 0o777, 0o600);
  const bytes = readFileSync(path(sealed));
  assert.ok(bytes.toString("latin1").startsWith("age-encryption.org/v1\n-> X25519 "));
  assert.ok(!bytes.includes("LETTA"));
  const after = await settings();
  assert.deepEqual(after.secrets, before.secrets);
  assert.equal(after.secretsFile, sealed);
  assert.equal(
    after.origin("LETTA_PG_PASSWORD"),
    before.origin("LETTA_PG_PASSWORD").replace(plain, sealed),
  );
});

test("the key is made once, 0600, and opens what is sealed later too", async (context) => {
  const { key, place, init, seal } = lockable(context);
  await init();
  await seal();
  const made = readFileSync(key, "utf8");
  assert.match(made, /^# created: 2026-11-21\n# public key: age1\w+\nAGE-SECRET-KEY-1\w{58}\n$/u);
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const staging = { ...place, environment: "staging" } as const;
  await initSecrets({ ...staging, random: randomBytes, day });
  await sealSecrets(staging, day);
  assert.equal(readFileSync(key, "utf8"), made);
  assert.match((await openSecretsFile(staging)).text ?? "", /LETTA_ENCRYPTION_KEY=/);
});

test("a key that others may read, none, another or half a one is refused, each with what to do", async (context) => {
  const { home, key, init, settings, seal } = lockable(context);
  await init();
  await seal();
  const own = readFileSync(key, "utf8");
  const refused = (details: RegExp, next: RegExp) =>
    assert.rejects(settings(), (error: { code: string; details: string[]; next: string }) => {
      assert.equal(error.code, "SETTINGS_INVALID");
      assert.match(error.details.join("\n"), details);
      assert.match(error.next, next);
      assert.ok(!error.details.join("\n").includes(own.trim().split("\n").at(-1)!));
      return true;
    });
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(key, mode);
    await refused(/expected mode 0600, got 06\d\d$/, /^chmod 600 \S+\/key$/);
  }
  chmodSync(key, 0o600);
  writeFileSync(key, own.slice(0, -10));
  await refused(/expected one age identity/, /copy of the key/);
  writeFileSync(key, `${own}${own}`);
  await refused(/expected one age identity/, /copy of the key/);
  rmSync(key);
  await refused(/expected its key in .*, got no file/, /SECRETS_KEY_FILE=/);
  const { makeKey } = await import("../../scripts/settings/secretsKey.ts");
  await makeKey(join(home, ".config/letta-stack/key"), day);
  await refused(/expected the key it was sealed with, got another/, /the right key/);
});

test("a key within the project is refused: copies would carry lock and key together", async (context) => {
  const { place, init } = lockable(context);
  await init();
  const inside = { ...place.processEnvironment, SECRETS_KEY_FILE: "env/key" };
  await assert.rejects(sealSecrets({ ...place, processEnvironment: inside }, day), {
    code: "SETTINGS_INVALID",
    details: [
      `SECRETS_KEY_FILE: expected a path outside the project, got ${join(place.root, "env/key")}`,
    ],
  });
  await assert.rejects(sealSecrets({ ...place, processEnvironment: {} }, day), /not usable/);
});

test("SECRETS_KEY_FILE says where the key is, in a committed file too", async (context) => {
  const { home, place, path, init, settings, seal } = lockable(context);
  const other = join(home, "elsewhere/key");
  writeFileSync(
    path("env/prod.env"),
    `${readFileSync(path("env/prod.env"), "utf8")}\nSECRETS_KEY_FILE=${other}\n`,
  );
  await init();
  assert.equal((await seal()).key, other);
  assert.ok((await settings()).has("LETTA_PG_PASSWORD"));
  assert.match((await openSecretsFile(place)).text ?? "", /LETTA_PG_PASSWORD/);
});

test("a sealed file that is interrupted or changed is refused", async (context) => {
  const { path, init, settings, seal } = lockable(context);
  await init();
  await seal();
  const whole = readFileSync(path(sealed));
  const changed = Buffer.from(whole);
  changed[changed.length - 3]! ^= 1;
  for (const damage of [
    whole.subarray(0, whole.length - 20),
    changed,
    Buffer.from(""),
    Buffer.from("LETTA_PG_PASSWORD=x"),
  ]) {
    writeFileSync(path(sealed), damage);
    await assert.rejects(settings(), {
      code: "SETTINGS_INVALID",
      details: [`${sealed}: expected a whole age file, got one that is interrupted or changed`],
    });
  }
});

test("where both forms are there no one guesses which one counts; seal ends it where they agree", async (context) => {
  const { path, write, init, settings, seal } = lockable(context);
  await init();
  const text = readFileSync(path(plain), "utf8");
  await seal();
  write(plain, text);
  const next = "npm run secrets -- seal prod";
  await assert.rejects(settings(), { code: "SETTINGS_INVALID", next });
  await seal();
  assert.ok(!existsSync(path(plain)));
  write(plain, `${text}DD_SITE=other.example\n`);
  await assert.rejects(seal(), { code: "SETTINGS_INVALID", message: /differ/ });
  assert.ok(existsSync(path(plain)) && existsSync(path(sealed)), "one of the two is lost");
});

test("what cannot be read is not sealed, and stays", async (context) => {
  const { path, write, seal } = lockable(context);
  await assert.rejects(seal(), { code: "USAGE", next: "npm run secrets -- init prod" });
  write(plain, "LETTA_PG_PASSWORD='open\n");
  await assert.rejects(seal(), { code: "SETTINGS_INVALID" });
  assert.ok(existsSync(path(plain)) && !existsSync(path(sealed)));
});

test("a link's own file is sealed and gone, not the link alone", async (context) => {
  const { home, path, init, seal, settings } = lockable(context);
  await init();
  const real = join(home, "secrets");
  writeFileSync(real, readFileSync(path(plain)), { mode: 0o600 });
  rmSync(path(plain));
  symlinkSync(real, path(plain));
  await seal();
  assert.ok(!existsSync(real) && !existsSync(path(plain)));
  assert.ok((await settings()).has("LETTA_SERVER_PASSWORD"));
});

test("init adds to a sealed file what it lacks, and leaves one that lacks nothing alone", async (context) => {
  const { place, path, write, init, seal } = lockable(context);
  write(plain, "# mine\nLETTA_SERVER_PASSWORD=mineMine99\n");
  await seal();
  const made = await init();
  assert.deepEqual(made, {
    file: sealed,
    created: false,
    generated: ["LETTA_PG_PASSWORD", "LETTA_ENCRYPTION_KEY"],
    missing: [],
  });
  assert.ok(!existsSync(path(plain)), "a plain one was made alongside it");
  const { text = "" } = await openSecretsFile(place);
  assert.ok(text.startsWith("# mine\nLETTA_SERVER_PASSWORD=mineMine99\n"));
  const before = readFileSync(path(sealed));
  assert.deepEqual((await init(() => assert.fail("made up"))).generated, []);
  assert.deepEqual(readFileSync(path(sealed)), before);
});

test("what someone else wrote in between is not written over", async (context) => {
  const { place, path, write, init, seal } = lockable(context);
  await init();
  const first = await openSecretsFile(place);
  write(plain, "LETTA_SERVER_PASSWORD=theirs99\n");
  await assert.rejects(first.write("LETTA_SERVER_PASSWORD=ours9999\n"), { code: "STATE_UNUSABLE" });
  assert.equal(readFileSync(path(plain), "utf8"), "LETTA_SERVER_PASSWORD=theirs99\n");
  await seal();
  const [one, two] = [await openSecretsFile(place), await openSecretsFile(place)];
  const written = await one.write("LETTA_SERVER_PASSWORD=first999\n");
  await assert.rejects(two.write("LETTA_SERVER_PASSWORD=second99\n"), { code: "STATE_UNUSABLE" });
  await written.write("LETTA_SERVER_PASSWORD=third999\n");
  assert.equal((await openSecretsFile(place)).text, "LETTA_SERVER_PASSWORD=third999\n");
});
