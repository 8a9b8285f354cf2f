import assert from "node:assert/strict";
import { test } from "node:test";
import { marksOf } from "../../scripts/database/databaseNames.ts";
import { foreignTo, type FoundStack, type OwnState } from "../../scripts/deploy/ownership.ts";
import { exampleContainer } from "./exampleContainer.ts";

const own: OwnState = { installations: ["mine", "adopted"], newest: 3, hasReleases: true };
const empty: OwnState = { installations: ["mine"], newest: 0, hasReleases: false };

const nothing: FoundStack = {
  containers: [],
  databases: undefined,
  live: "letta",
  volume: undefined,
};
const server = (release: string, installation?: string): FoundStack => ({
  ...nothing,
  containers: [
    exampleContainer("server", {
      labels: {
        "letta-stack.release": release,
        ...(installation === undefined ? {} : { "letta-stack.installation": installation }),
      },
    }),
  ],
});
const database = (name: string, mark?: ReturnType<ReturnType<typeof marksOf>>): FoundStack => ({
  ...nothing,
  databases: new Map([[name, { bytes: 1, mark }]]),
});
const live = (installation: string, id: string) => marksOf(installation, { id, run: "a" })("live");

test("what this state directory made, or has adopted, is its own", () => {
  for (const found of [
    nothing,
    server("000003", "mine"),
    server("000003", "adopted"),
    server("000003"),
    server("000004", "mine"), // its manifest is retained later
    database("letta"),
    database("letta", live("mine", "000003")),
    database("letta_kept_000003"),
    database("letta_invoices_000009"),
    database("another", live("another", "000009")),
    { ...nothing, volume: "letta-prod_database" },
  ]) {
    assert.deepEqual(foreignTo(own, found), [], JSON.stringify(found));
  }
});

test("what another state directory made, or a later release, is not", () => {
  for (const found of [
    server("000001", "another"),
    server("000004"),
    server("000005", "mine"),
    database("letta", live("another", "000001")),
    database("letta", live("mine", "000005")),
    database("letta_retained_000004"),
  ]) {
    assert.equal(foreignTo(own, found).length, 1, JSON.stringify(found));
  }
});

test("an empty state directory owns neither a running stack nor its volume", () => {
  assert.deepEqual(foreignTo(empty, nothing), []);
  for (const found of [server("000001"), { ...nothing, volume: "letta-prod_database" }]) {
    assert.equal(foreignTo(empty, found).length, 1, JSON.stringify(found));
  }
});
