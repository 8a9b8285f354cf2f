import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { initSecrets as init, type InitSecretsInput } from "../../scripts/settings/secrets.ts";
import { project } from "./project.ts";

const day = "2026-11-21";

/** Without a shell's settings. */
const initSecrets = (asked: Pick<InitSecretsInput, "environment" | "root" | "random">) =>
  init({ ...asked, processEnvironment: {}, day });

const all = ["LETTA_PG_PASSWORD", "LETTA_SERVER_PASSWORD", "LETTA_ENCRYPTION_KEY"];

test("a first secrets file holds all that can be generated, and the settings are complete", async (context) => {
  const { root, read } = project(context);
  for (const environment of ["dev", "staging", "prod"] as const) {
    const made = await initSecrets({ environment, root, random: randomBytes });
    const file = `env/${environment}.secrets.env`;
    assert.deepEqual(made, { file, created: true, generated: all, missing: [] });
    assert.equal(statSync(join(root, file)).mode & 0o777, 0o600);
    const { secrets } = read(environment);
    assert.equal(new Set(secrets.values()).size, 3);
    for (const value of secrets.values()) assert.match(value, /^[A-Za-z0-9]{40}$/u);
  }
  assert.ok(
    readdirSync(join(root, "env")).every((name) => /^[a-z]+(?:\.secrets)?\.env$/u.test(name)),
  );
});

test("a second run changes nothing, and makes up nothing", async (context) => {
  const { root } = project(context);
  await initSecrets({ environment: "dev", root, random: randomBytes });
  const path = join(root, "env/dev.secrets.env");
  const before = [readFileSync(path, "utf8"), statSync(path).ino];
  const random = () => assert.fail("nothing is to be generated");
  const made = await initSecrets({ environment: "dev", root, random });
  assert.deepEqual(made, {
    file: "env/dev.secrets.env",
    created: false,
    generated: [],
    missing: [],
  });
  assert.deepEqual([readFileSync(path, "utf8"), statSync(path).ino], before);
});

test("what a file says stays, comments included; only what it lacks is added", async (context) => {
  const { root, read, write } = project(context);
  const mine = "# mine\r\nLETTA_SERVER_PASSWORD='it is # mine'\r\nDD_API_KEY=abcdefgh";
  write("env/prod.secrets.env", mine, 0o644);
  const made = await initSecrets({ environment: "prod", root, random: randomBytes });
  assert.deepEqual(made.generated, ["LETTA_PG_PASSWORD", "LETTA_ENCRYPTION_KEY"]);
  assert.ok(!made.created);
  assert.ok(readFileSync(join(root, "env/prod.secrets.env"), "utf8").startsWith(mine));
  assert.equal(statSync(join(root, "env/prod.secrets.env")).mode & 0o777, 0o600);
  assert.equal(read("prod").get("LETTA_SERVER_PASSWORD"), "it is # mine");
});

test("no password is made up for a database that is not ours", async (context) => {
  const { root, read, write } = project(context);
  write("env/prod.secrets.env", "LETTA_PG_URI=postgresql://u:kR7mQ2vX9b@db/letta\n");
  const { generated } = await initSecrets({ environment: "prod", root, random: randomBytes });
  assert.deepEqual(generated, all.slice(1));
  assert.ok(!read("prod").has("LETTA_PG_PASSWORD"));
});

test("what only a person can fill in is named", async (context) => {
  const { root, write } = project(context);
  const development = await initSecrets({ environment: "development", root, random: randomBytes });
  assert.deepEqual(development.missing, ["LETTA_SOURCE_DIR"]);
  write("env/prod.secrets.env", "LETTA_ENCRYPTION_KEY=\n");
  const prod = await initSecrets({ environment: "prod", root, random: randomBytes });
  assert.deepEqual(prod.missing, ["LETTA_ENCRYPTION_KEY"]);
  assert.ok(!prod.generated.includes("LETTA_ENCRYPTION_KEY"), "a blank one is not overwritten");
});

test("a file that cannot be read is left as it is", async (context) => {
  const { root, write } = project(context);
  const broken = "LETTA_SERVER_PASSWORD='open\n";
  write("env/dev.secrets.env", broken);
  await assert.rejects(initSecrets({ environment: "dev", root, random: randomBytes }), {
    code: "SETTINGS_INVALID",
    details: [
      "env/dev.secrets.env:1: LETTA_SERVER_PASSWORD: expected a closing ', got the end of the file",
    ],
  });
  assert.equal(readFileSync(join(root, "env/dev.secrets.env"), "utf8"), broken);
});

test("each letter is as likely as any other", async (context) => {
  const { root, read } = project(context);
  // 248 to 255 would favour the first eight letters: they are passed over.
  let next = 248;
  const random = (count: number) => Buffer.from(Array.from({ length: count }, () => next++ % 256));
  await initSecrets({ environment: "dev", root, random });
  assert.equal(read("dev").get("LETTA_PG_PASSWORD"), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn");
});
