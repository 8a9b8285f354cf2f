import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Backup, chooseExpired } from "../../scripts/state/backups.ts";

const now = new Date("2026-11-21T07:31:05Z");
const dayMs = 86_400_000;

/** A backup of this release, taken so many days ago. */
const backup = (release: number, daysAgo: number, verified = true): Backup => ({
  id: `${String(release).padStart(6, "0")}-20261121T073105Z`,
  created: new Date(now.getTime() - daysAgo * dayMs).toISOString(),
  reason: "",
  release: String(release).padStart(6, "0"),
  database: "letta",
  sha256: "",
  bytes: 0,
  revision: [],
  rows: {},
  verified: verified ? now.toISOString() : null,
  serverVersion: "17.5",
  globals: null,
  globalsFault: null,
  settings: [],
  grants: null,
  locale: { encoding: "UTF8", collate: "C", ctype: "C", provider: "c", locale: null },
  databaseBytes: 0,
  extensions: {},
  invalidIndexes: [],
});

const releases = (backups: readonly Backup[]) => backups.map((one) => Number(one.release));

test("one goes only when it is beyond the count and older than the days", () => {
  const backups = [backup(1, 40), backup(2, 10), backup(3, 40), backup(4, 40)];
  const chosen = chooseExpired(backups, { keep: 2, days: 30, now, needed: [] });
  assert.deepEqual(releases(chosen), [1]);
});

test("one that a release needs stays", () => {
  const backups = [backup(1, 40), backup(2, 40), backup(3, 0)];
  const needed = [backup(1, 0).id];
  assert.deepEqual(releases(chooseExpired(backups, { keep: 1, days: 30, now, needed })), [2]);
});

test("the newest that was verified stays, though newer ones were taken", () => {
  const backups = [backup(1, 90), backup(2, 80), backup(3, 70, false), backup(4, 60, false)];
  const chosen = chooseExpired(backups, { keep: 1, days: 30, now, needed: [] });
  assert.deepEqual(releases(chosen), [3, 1]);
});

test("the newest by its number stays, whatever a clock said when it was taken", () => {
  const backups = [backup(1, 1), backup(2, 4000)];
  assert.deepEqual(releases(chooseExpired(backups, { keep: 0, days: 0, now, needed: [] })), [1]);
});

const any = fc.record({
  made: fc.array(fc.tuple(fc.integer({ min: -400, max: 400 }), fc.boolean()), { maxLength: 20 }),
  keep: fc.nat(10),
  days: fc.nat(100),
  needed: fc.array(fc.nat(20)),
});

/** What is chosen of any backups in any order, and what stays. */
function split({ made, keep, days, needed }: typeof any extends fc.Arbitrary<infer T> ? T : never) {
  const all = made.map(([daysAgo, verified], index) => backup(index, daysAgo, verified));
  const ids = needed.map((one) => backup(one, 0).id);
  const go = chooseExpired(all, { keep, days, now, needed: ids });
  return { all, go, stay: all.filter((one) => !go.includes(one)), ids };
}

test("as many stay as are to be retained, and none that is young or needed goes", () => {
  fc.assert(
    fc.property(any, (facts) => {
      const { all, go, stay, ids } = split(facts);
      assert.ok(stay.length >= Math.min(facts.keep, all.length));
      for (const one of go) {
        assert.ok(now.getTime() - Date.parse(one.created) > facts.days * dayMs);
        assert.ok(!ids.includes(one.id));
        assert.ok(stay.filter((other) => other.id > one.id).length >= facts.keep);
      }
    }),
  );
});

test("the newest and the newest verified one always stay", () => {
  fc.assert(
    fc.property(any, (facts) => {
      const { all, stay } = split(facts);
      const verified = all.findLast((one) => one.verified !== null);
      for (const one of [all.at(-1), verified]) if (one) assert.ok(stay.includes(one));
    }),
  );
});

test("all that may go goes", () => {
  fc.assert(
    fc.property(any, (facts) => {
      const { all, stay, ids } = split(facts);
      const verified = all.findLast((one) => one.verified !== null);
      for (const one of stay) {
        const beyond = all.filter((other) => other.id > one.id).length >= Math.max(1, facts.keep);
        const old = now.getTime() - Date.parse(one.created) > facts.days * dayMs;
        assert.ok(!beyond || !old || one === verified || ids.includes(one.id));
      }
    }),
  );
});

test("neither the order nor a second time makes a difference", () => {
  fc.assert(
    fc.property(any, (facts) => {
      const { all, go, stay, ids } = split(facts);
      const keeping = { keep: facts.keep, days: facts.days, now, needed: ids };
      assert.deepEqual(chooseExpired(all.toReversed(), keeping), go);
      assert.deepEqual(chooseExpired(stay, keeping), []);
    }),
  );
});
