import assert from "node:assert/strict";
import test from "node:test";
import { compareRows, describeLoss } from "../../scripts/database/rowsOnlyIn.ts";

const created = "2026-11-30T03:00:00.000Z";
const counted = (table: string, rows: number | null) => ({ table, rows, isEstimate: false });
const estimated = (table: string, rows: number | null) => ({ table, rows, isEstimate: true });

test("what was written since a dump is counted table by table, gone and new ones too", () => {
  const dumped = { same: 3, more: 5, fewer: 4, gone: 2 };
  const since = compareRows(dumped, [
    counted("same", 3),
    counted("more", 9),
    counted("fewer", 1),
    counted("new", 6),
  ]);
  assert.deepEqual(
    since.map(({ table, now, atLeast }) => [table, now, atLeast]),
    [
      ["fewer", 1, 0],
      ["gone", 0, 0],
      ["more", 9, 4],
      ["new", 6, 6],
    ],
  );
  assert.deepEqual(describeLoss(since, created), [
    `restore would lose at least 10 rows written since ${created}:`,
    "  more: 5 then, 9 now",
    "  new: 0 then, 6 now",
  ]);
});

test("an estimate is called one, and what is not known is reported as that", () => {
  const since = compareRows({ large: 1000, vast: 7 }, [
    estimated("large", 1500),
    estimated("vast", null),
  ]);
  assert.deepEqual(describeLoss(since, created), [
    `restore would lose about 500 rows written since ${created}:`,
    "  large: 1000 then, about 1500 now",
    "  vast: 7 then, now not known (never analyzed)",
  ]);
});
