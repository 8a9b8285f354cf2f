import assert from "node:assert/strict";
import { statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Answer, DatabaseServer } from "../../scripts/database/sql.ts";
import type { CommandIo } from "../../scripts/docker/engine.ts";
import type { Release, ReleasedService } from "../../scripts/state/release.ts";
import { keepRelease } from "../../scripts/state/releases.ts";
import { keyedDigest } from "../../scripts/state/secretKey.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import {
  assertDiskFits,
  assertPassword,
  assertSameKey,
  assertSameMajor,
  assertStagingVerified,
  hasNewPassword,
  stagingVerification,
} from "../../scripts/deploy/guards.ts";
import { fingerprint } from "../../scripts/state/backups.ts";
import type { SettingName } from "../../scripts/settings/settingDefinitions.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { exampleSecrets } from "../stack/exampleStack.ts";
import { settingsOf, targetOf } from "./exampleTarget.ts";
import { rolloutOn } from "./simulation.ts";

const key = Buffer.alloc(32, 5);
const digest = (value: string) => keyedDigest(key, value);
const prod = settingsOf("prod");
const release = (otherwise: Partial<Release> = {}): Release => ({
  ...exampleRelease("000004", otherwise),
  format: 2,
});
const encryption = exampleSecrets["LETTA_ENCRYPTION_KEY"]!;

test("under the key that the server stored with nothing is refused", () => {
  const secrets = { LETTA_ENCRYPTION_KEY: digest(encryption) };
  assertSameKey(prod, release({ secrets }), key);
});

test("another encryption key is refused, with neither key in the words", () => {
  const secrets = { LETTA_ENCRYPTION_KEY: digest("the previous key") };
  assert.throws(
    () => assertSameKey(prod, release({ secrets }), key),
    (error: Error & { code: string; details: string[]; next: string }) => {
      assert.equal(error.code, "KEY_CHANGED");
      assert.match(error.message, /is another one than in release 000004/);
      assert.match(error.next, /env\/prod\.secrets\.env/);
      const text = JSON.stringify([error.message, error.details, error.next]);
      for (const word of [encryption, "former-key", secrets.LETTA_ENCRYPTION_KEY])
        assert.ok(!text.includes(word));
      return true;
    },
  );
});

test("an encryption key that is missing now is refused as such", () => {
  const { LETTA_ENCRYPTION_KEY: _, ...others } = exampleSecrets;
  const lost = settingsOf("dev");
  const settings = { ...lost, secrets: new Map(Object.entries(others)) as typeof lost.secrets };
  const secrets = { LETTA_ENCRYPTION_KEY: digest(encryption) };
  assert.throws(() => assertSameKey(settings, release({ secrets }), key), {
    code: "KEY_CHANGED",
    message: /^LETTA_ENCRYPTION_KEY is missing, unlike in release 000004:/,
  });
});

test("the fingerprint tells where the digests' own key is another one, or gone", () => {
  const same = {
    encryptionKey: fingerprint(encryption)!,
    secrets: { LETTA_ENCRYPTION_KEY: "lost" },
  };
  for (const digestKey of [key, undefined])
    assert.equal(assertSameKey(prod, release(same), digestKey), true);
  const other = { ...same, encryptionKey: fingerprint("the previous key")! };
  for (const digestKey of [key, undefined])
    assert.throws(() => assertSameKey(prod, release(other), digestKey), { code: "KEY_CHANGED" });
});

test("without any state the database's own mark tells which key it served with", () => {
  assert.equal(assertSameKey(prod, undefined, key, fingerprint(encryption)), true);
  assert.throws(() => assertSameKey(prod, undefined, key, fingerprint("the previous key")), {
    code: "KEY_CHANGED",
    message: /when the database last served/,
  });
  assert.equal(assertSameKey(prod, undefined, key), false);
});

test("where there was no release or no key there is nothing that it could not read", () => {
  assertSameKey(prod, undefined, key);
  assertSameKey(prod, release({ secrets: { LETTA_PG_PASSWORD: "x" } }), key);
});

test("another database password than the release was started with is a new one", () => {
  const now = exampleSecrets["LETTA_PG_PASSWORD"]!;
  const since = (secrets: Record<string, string>) =>
    hasNewPassword(prod, release({ secrets }), key);
  assert.equal(since({ LETTA_PG_PASSWORD: digest("before") }), true);
  assert.equal(since({ LETTA_PG_PASSWORD: digest(now) }), false);
  assert.equal(since({}), false);
  assert.equal(hasNewPassword(prod, undefined, key), false);
});

test("a rotated password is no changed key", () => {
  const secrets = { LETTA_ENCRYPTION_KEY: digest(encryption), LETTA_PG_PASSWORD: "before" };
  assertSameKey(prod, release({ secrets }), key);
});

const images = ["sha256:letta", "sha256:collector"];
const serviceOf = (imageId: string): ReleasedService => ({
  image: imageId,
  imageId,
  digest: "d",
  release: "000001",
});
const services = (...ids: string[]) =>
  Object.fromEntries(ids.map((id, index) => [`part${index}`, serviceOf(id)]));

/** prod alongside a staging that has these releases. */
function withStaging(
  staging: readonly Partial<Release>[],
  otherwise: Partial<Record<SettingName, string>> = {},
) {
  const stateDir = folder();
  const directory = stateDirectory(stateDir, "staging");
  staging.forEach((one, index) =>
    keepRelease(
      directory,
      exampleRelease(String(index + 1).padStart(6, "0"), { outcome: "good", ...one }),
      { "compose.yaml": "", "collector.yaml": "", "settings.env": "" },
    ),
  );
  return settingsOf("prod", { STATE_DIR: stateDir, ...otherwise });
}
const required = { REQUIRE_STAGING: "true" };
const unverified = "staging has not verified these images together";

test("what staging has verified is not mentioned", () => {
  const staging = [{ services: services(...images, "sha256:postgres") }];
  assert.equal(assertStagingVerified(withStaging(staging, required), images), undefined);
});

for (const [name, staging] of [
  ["where staging has no release at all", []],
  ["of which staging has verified others", [{ services: services("sha256:letta", "sha256:x") }]],
  [
    "that staging has verified one by one, never together",
    [{ services: services("sha256:letta") }, { services: services("sha256:collector") }],
  ],
  [
    "that did worse in staging than what was there before",
    [{ services: services(...images), worse: "more of its requests failed" }],
  ],
  ["with which staging failed", [{ services: services(...images), outcome: "failed" }]],
  [
    "which staging has not come to the end with",
    [{ services: services(...images), outcome: "begun" }],
  ],
] as const satisfies readonly (readonly [string, readonly Partial<Release>[]])[]) {
  test(`images ${name} are reported, and refused only where staging is required`, () => {
    assert.equal(assertStagingVerified(withStaging(staging), images), unverified);
    assert.throws(() => assertStagingVerified(withStaging(staging, required), images), {
      code: "STAGING_UNPROVEN",
      message: `${unverified}, and REQUIRE_STAGING is true`,
      details: images,
      next: "npm run deploy:staging",
    });
  });
}

test("an older verification of staging still counts", () => {
  const staging = [{ services: services(...images) }, { services: services("sha256:newer") }];
  assert.equal(assertStagingVerified(withStaging(staging, required), images), undefined);
});

test("staging itself and the local stacks need no verification of staging", () => {
  for (const environment of ["staging", "dev", "development"] as const) {
    const more = { STATE_DIR: folder(), ...required, LETTA_SOURCE_DIR: "/srv/letta" };
    assert.equal(assertStagingVerified(settingsOf(environment, more), images), undefined);
  }
});

test("a verification exported on staging's host counts in place of a staging on this one", () => {
  const there = withStaging([{ services: services(...images) }]);
  const exported = join(folder(), "verification.json");
  writeFileSync(exported, JSON.stringify(stagingVerification(join(there.stateDir, "staging"))));
  const here = withStaging([], { ...required, STAGING_VERIFICATION: exported });
  assert.equal(assertStagingVerified(here, images), undefined);
  assert.throws(() => assertStagingVerified(here, [...images, "sha256:proxy"]), {
    code: "STAGING_UNPROVEN",
  });
});

test("where a verification is named, a staging on this host does not count alongside it", () => {
  const exported = join(folder(), "verification.json");
  writeFileSync(exported, JSON.stringify({ environment: "staging", verified: [] }));
  const here = withStaging([{ services: services(...images) }], { STAGING_VERIFICATION: exported });
  assert.equal(assertStagingVerified(here, images), unverified);
});

test("a release that was not verified is no recommendation", () => {
  const doubtful = { services: services(...images), unverified: ["database read: got 500"] };
  assert.equal(assertStagingVerified(withStaging([doubtful]), images), unverified);
});

test("an exported verification names releases and image ids, and nothing else", () => {
  const there = withStaging([{ services: services("sha256:b", "sha256:a", "sha256:a") }]);
  assert.deepEqual(stagingVerification(join(there.stateDir, "staging")), {
    environment: "staging",
    verified: [{ release: "000001", images: ["sha256:a", "sha256:b"] }],
  });
});

for (const [name, text] of [
  ["is missing", undefined],
  ["is empty", ""],
  ["is interrupted", '{"environment":"staging","prov'],
  ["is something else", '{"hello":1}'],
  ["is null", "null"],
  ["holds words for images", '{"environment":"staging","verified":[{"release":"1","images":"x"}]}'],
  ["is of prod itself", '{"environment":"prod","verified":[]}'],
] as const) {
  test(`an exported verification that ${name} is no evidence, is reported with its place, and is no bug`, () => {
    const exported = join(folder(), "verification.json");
    if (text !== undefined) writeFileSync(exported, text);
    const line = `STAGING_VERIFICATION: expected a verification that staging exported, got none in ${exported}`;
    const named = { STAGING_VERIFICATION: exported };
    assert.equal(assertStagingVerified(withStaging([], named), images), line);
    assert.throws(() => assertStagingVerified(withStaging([], { ...named, ...required }), images), {
      code: "STAGING_UNPROVEN",
      message: `${line}, and REQUIRE_STAGING is true`,
    });
  });
}

/** Tools whose commands in containers end like this. */
function answering(code: number, stderr = "") {
  const asked: CommandIo[] = [];
  const { context } = rolloutOn({});
  const engine = {
    ...simulatedEngine(),
    exec: async (_id: string, _argv: readonly string[], io: CommandIo = {}) => {
      asked.push(io);
      return { code, stdout: "", stderr };
    },
    run: async () => ({ code: 0, stdout: "postgres (PostgreSQL) 17.5", stderr: "" }),
  };
  return { asked, context: { ...context, engine } };
}

test("a password that does not open the database is refused without being reported", async () => {
  const { context } = answering(2, "psql: FATAL: password authentication failed\nmore");
  await assert.rejects(assertPassword(prod, "c1", context), {
    code: "DATABASE_REFUSED",
    message: "LETTA_PG_PASSWORD does not open the database",
    details: ["psql: FATAL: password authentication failed", "process environment"],
  });
});

test("the password reaches psql by its environment", async () => {
  const { asked, context } = answering(0);
  await assertPassword(prod, "c1", context);
  assert.equal(asked[0]?.environment?.["PGPASSWORD"], exampleSecrets["LETTA_PG_PASSWORD"]);
});

test("where no bundled database runs no one is asked for the password", async () => {
  const { asked, context } = answering(2);
  await assertPassword(prod, undefined, context);
  const outside = { LETTA_PG_URI: "postgresql://letta:outside-secret@db.example/letta" };
  await assertPassword(settingsOf("prod", outside), "c1", context);
  assert.deepEqual(asked, []);
});

/** A database server of this version, as it tells it. */
const serverOf = (version: string) =>
  ({
    database: () => ({
      ask: async (): Promise<Answer> => ({ rows: [[version]], state: "", message: "" }),
    }),
  }) as unknown as DatabaseServer;

test("an image of another major version does not get the data directory", async () => {
  const target = targetOf(prod);
  const { context } = answering(0);
  await assert.rejects(assertSameMajor(target, serverOf("160004"), true, context), {
    code: "DATABASE_REFUSED",
    message: "expected PostgreSQL 16, as the data is, got an image of 17",
  });
  await assertSameMajor(target, serverOf("170002"), true, context);
  await assertSameMajor(target, serverOf("160004"), false, context);
  await assertSameMajor(target, undefined, true, context);
});

/** A server whose database "letta" has this size. */
function sized(
  bytes: number,
  free = 1e15,
  place: DatabaseServer["place"] = "bundled",
  total = 1,
): DatabaseServer {
  const row = JSON.stringify({ name: "letta", bytes });
  const ask = async (statement: string): Promise<Answer> => ({
    rows: statement.includes("pg_database_size") ? [[row]] : [["1"]],
    state: "",
    message: "",
  });
  return {
    place,
    name: "letta",
    database: () => ({ ask, hold: () => Promise.reject(new Error("nothing is held")) }),
    client: async () => ({
      code: 0,
      stdout: `Filesystem 1-blocks Used Available\n/dev/sda ${total} 1 ${free} 1% /\n`,
      stderr: "",
    }),
    stay: () => assert.fail("no one locks it"),
    uri: () => "",
    roles: () => Promise.resolve({ application: "letta", tool: "letta", kind: "owner" }),
    forgetRoles: () => undefined,
  };
}

test("a database that a dump and its copies find no space for is refused, with both figures", async () => {
  await assertDiskFits(folder(), sized(1000));
  await assert.rejects(assertDiskFits(folder(), sized(Number.MAX_SAFE_INTEGER)), {
    code: "DISK_TOO_SMALL",
    message: /expected \d+\.\d\d GB free for dump and copies, got \d+\.\d\d/,
  });
});

test("copies have to find space on the database's own volume, which a server outside does not show", async () => {
  await assertDiskFits(folder(), sized(1000, 3000));
  await assert.rejects(assertDiskFits(folder(), sized(1000, 2999)), {
    code: "DISK_TOO_SMALL",
    message: /^the database's volume: /,
  });
  await assertDiskFits(folder(), sized(1000, 0, "external"));
});

test("a backup larger than the live database has to find space twice, alongside a copy of that", async () => {
  const backup = { databaseBytes: 5000 };
  await assertDiskFits(folder(), sized(1000, 11_000), backup);
  await assert.rejects(assertDiskFits(folder(), sized(1000, 10_999), backup), {
    code: "DISK_TOO_SMALL",
  });
  // One that is smaller takes no space away from what is copied anyway.
  await assert.rejects(assertDiskFits(folder(), sized(1000, 2999), { databaseBytes: 1 }), {
    code: "DISK_TOO_SMALL",
  });
});

test("where dump and database are on one disk, it has to have space for both", async () => {
  const directory = folder();
  const { bavail, blocks, bsize } = statfsSync(directory);
  const third = Math.floor((bavail * bsize) / 3.5);
  await assertDiskFits(directory, sized(third, bavail * bsize, "bundled", 1));
  await assert.rejects(
    assertDiskFits(directory, sized(third, bavail * bsize, "bundled", blocks * bsize)),
    { code: "DISK_TOO_SMALL", message: /and the database's volume: expected/ },
  );
});
