import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { Database } from "../../scripts/database/sql.ts";
import {
  decryptSecret,
  encryptSecret,
  planSecrets,
  type StoredSecret,
  writeSecrets,
} from "../../scripts/database/storedSecrets.ts";

const [oldKey, newKey] = ["the old key", "the new key"];
const togetherKey = "0123456789abcdef".repeat(4);
const azureKey = "Ab3dEf6hIj9kLmNoPqRsTuVwXyZ0".repeat(3);

const secret = (parts: Partial<StoredSecret>): StoredSecret => ({
  table: "providers",
  column: "api_key",
  id: "provider-1",
  old: null,
  stored: null,
  hasEncrypted: true,
  ...parts,
});

const plan = (
  secrets: StoredSecret[],
  from?: string,
  to: string | undefined = newKey,
  isPlain = false,
) => planSecrets(secrets, { from, to, isPlain }, randomBytes);

async function written(secrets: StoredSecret[], from?: string): Promise<(string | undefined)[]> {
  const { updates, unreadable } = await plan(secrets, from);
  assert.deepEqual(unreadable, []);
  return Promise.all(updates.map((one) => decryptSecret(one.value, newKey)));
}

test("a value is read again with its key, and with no other", async () => {
  for (const text of ["x", "sk-ümlaut", '{"a": 1}', "x".repeat(5000)]) {
    const value = await encryptSecret(text, oldKey, randomBytes);
    assert.equal(await decryptSecret(value, oldKey), text);
    assert.equal(await decryptSecret(value, newKey), undefined);
  }
});

test("plain values of a server that never had a key are encrypted, whatever they look like", async () => {
  const both = secret({ old: azureKey, stored: azureKey });
  const stored = ["sk-1", togetherKey, '{"Authorization": "Bearer x"}', "a b"];
  const values = [both, ...stored.map((one) => secret({ stored: one }))];
  assert.deepEqual(await written(values), [azureKey, ...stored]);
});

test("an old column whose encrypted one is empty is encrypted too", async () => {
  assert.deepEqual(await written([secret({ old: "sk-old" })]), ["sk-old"]);
});

test("before the encrypted column exists there is nothing to write", async () => {
  const { updates, plain } = await plan([secret({ old: "sk-old", hasEncrypted: false })]);
  assert.deepEqual([updates, plain], [[], 1]);
});

test("values under the old key come under the new one, and plain ones among them too", async () => {
  const cipher = await encryptSecret("sk-1", oldKey, randomBytes);
  const mixed = [secret({ stored: cipher, old: "sk-1" }), secret({ stored: "sk-2" })];
  assert.deepEqual(await written(mixed, oldKey), ["sk-1", "sk-2"]);
});

test("under the same key what is encrypted stays as it is", async () => {
  const cipher = await encryptSecret("sk-1", newKey, randomBytes);
  const { updates, encrypted } = await plan([secret({ stored: cipher })], newKey);
  assert.deepEqual([updates, encrypted], [[], 1]);
});

test("a wrong key, and no key, name what they cannot read, without its value", async () => {
  const cipher = await encryptSecret("sk-1", oldKey, randomBytes);
  for (const from of [undefined, "another"]) {
    const { updates, unreadable } = await plan([secret({ stored: cipher })], from);
    assert.deepEqual([updates, unreadable], [[], ["providers.api_key of provider-1"]]);
  }
});

test("a plain value that looks encrypted is refused unless it is said to be plain", async () => {
  const ambiguous = [secret({ stored: azureKey })];
  assert.equal((await plan(ambiguous)).unreadable.length, 1);
  const { updates, unreadable } = await plan(ambiguous, undefined, newKey, true);
  assert.deepEqual(unreadable, []);
  assert.equal(await decryptSecret(updates[0]!.value, newKey), azureKey);
});

test("without a key on either side plain values stay, and old columns are filled in", async () => {
  const values = [secret({ stored: "sk-1" }), secret({ id: "provider-2", old: "sk-2" })];
  const { updates } = await planSecrets(values, { from: undefined, to: undefined }, randomBytes);
  assert.deepEqual(updates, [
    { table: "providers", column: "api_key_enc", id: "provider-2", value: "sk-2" },
  ]);
});

test("what is empty in both columns is no secret", async () => {
  const { updates, plain } = await plan([secret({}), secret({ old: "", stored: "" })]);
  assert.deepEqual([updates, plain], [[], 0]);
});

/** Stands for a database whose role is no superuser: it may not set what is logged. */
function ordinaryDatabase() {
  const asked: string[] = [];
  const mayNot = /\bSET log_\w+/iu;
  const ask = (statement: string) => {
    asked.push(statement);
    const isRefused =
      mayNot.test(statement) || !/WHERE current_setting\('is_superuser'\)/u.test(statement);
    return Promise.resolve({ rows: [], state: isRefused ? "42501" : "", message: "denied" });
  };
  return { asked, database: { ask } as unknown as Database };
}

test("a role that is no superuser writes secrets, and a superuser's go into no log", async () => {
  const { asked, database } = ordinaryDatabase();
  await writeSecrets(database, "public", await plan([secret({ stored: "sk-1" })]));
  const [before = "", written = ""] = asked.join().split("BEGIN;");
  for (const name of ["log_min_duration_statement", "log_statement", "log_min_error_statement"])
    assert.ok(before.includes(`'${name}'`));
  assert.match(written, /UPDATE "public"."providers" SET "api_key_enc" = .*COMMIT/su);
});
