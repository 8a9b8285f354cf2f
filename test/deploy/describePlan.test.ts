import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { History } from "../../scripts/database/revisions.ts";
import type { ObservedContainer } from "../../scripts/docker/engine.ts";
import { keepRelease } from "../../scripts/state/releases.ts";
import type { Release } from "../../scripts/state/release.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import type { Change } from "../../scripts/deploy/planChanges.ts";
import type { Target } from "../../scripts/deploy/target.ts";
import { databaseOptions, planSchema, type SchemaFacts } from "../../scripts/deploy/planSchema.ts";
import type { Decision } from "../../scripts/deploy/decide.ts";
import { describePlan, describeSchema } from "../../scripts/deploy/describePlan.ts";
import { settingsText } from "../../scripts/deploy/describeRelease.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { exampleSecrets } from "../stack/exampleStack.ts";
import { exampleContainer } from "./exampleContainer.ts";
import { settingsOf, targetOf } from "./exampleTarget.ts";

const older: History = [
  { id: "a1", down: [], title: "first" },
  { id: "b2", down: ["a1"], title: "add blocks" },
];
const newer: History = [...older, { id: "c3", down: ["b2"], title: "add providers" }];
const backup = { id: "000002-20260102T030405Z", created: "2026-01-02T03:04:05.000Z" };
const verification = {
  image: "sha256:old",
  revision: ["c3"],
  passed: true,
  detail: "0.15.1 answered 11 requests on a copy",
};

const schemaOf = (otherwise: Partial<SchemaFacts> = {}) =>
  planSchema({
    revision: ["c3"],
    unmarked: undefined,
    image: "sha256:old",
    target: older,
    present: newer,
    verifications: [],
    backup,
    input: undefined,
    mayRestore: true,
    ...otherwise,
  });
const settled = schemaOf({ target: newer });

const change = (service: string, action: Change["action"], ...causes: string[]): Change => ({
  service,
  action,
  causes,
});

function decisionOf(
  schema = settled,
  changes: readonly Change[] = [],
  observed: readonly ObservedContainer[] = ["server", "proxy"].map((service) =>
    exampleContainer(service),
  ),
): Decision {
  const nothing = { present: undefined, database: undefined, revision: undefined };
  const currentState = { ...nothing, observed, roles: undefined, unmarked: undefined };
  return {
    currentState,
    schema,
    changes,
    revisionOwner: undefined,
    separatesRoles: false,
    limits: [],
    mayCopy: true,
    mayRestore: true,
  };
}

/** prod as it serves: release 000003, retained as it was made. */
function serving(target: Target, otherwise: Partial<Release> = {}) {
  const directory = stateDirectory(folder(), "prod");
  const release: Release = {
    ...exampleRelease("000003", { outcome: "good", restores: null, ...otherwise }),
    format: 2,
  };
  keepRelease(directory, release, {
    "compose.yaml": target.prepared.stack.text,
    "collector.yaml": target.prepared.collector,
    "settings.env": settingsText(target.settings),
  });
  return { directory, release };
}

const now = targetOf(settingsOf("prod"));

test("where nothing changes the plan says so, and that no one notices", async () => {
  const { directory, release } = serving(now);
  assert.deepEqual(await describePlan(now, decisionOf(), release, directory), [
    "0.16.8 (release 000003) → 0.16.8",
    "no service changes",
    "database: stays as it is: the database is at c3, the image's own head",
    "downtime: none",
  ]);
});

test("a first deploy comes from nothing, lists its services and no migration one by one", async () => {
  const decision = decisionOf(schemaOf({ revision: [], target: newer }), [
    change("postgres", "create", "there is no container"),
    change("server", "create", "there is no container"),
  ]);
  assert.deepEqual(await describePlan(now, decision, undefined, folder()), [
    "nothing → 0.16.8",
    "create postgres: there is no container",
    "create server: there is no container",
    "database: is migrated: the database is empty",
    "downtime: none",
  ]);
});

test("a migration is listed whole, oldest first, with the interruption that was rehearsed", async () => {
  const { directory, release } = serving(now, { rehearsal: { bootSeconds: 9.6 } });
  const decision = decisionOf(schemaOf({ revision: ["a1"], target: newer }), [
    change("migrate", "recreate", "image changed"),
    change("collector", "none"),
    change("server", "recreate", "configuration changed", "image changed"),
  ]);
  assert.deepEqual(await describePlan(now, decision, release, directory), [
    "0.16.8 (release 000003) → 0.16.8",
    "recreate migrate: image changed",
    "recreate server: configuration changed, image changed",
    "database: is migrated: 2 migrations from a1 to c3",
    "  b2 add blocks",
    "  c3 add providers",
    "downtime: none: requests wait at the proxy, 120s at most, while the database is migrated; also while the server takes to stop and boot, which took 10 s when it was rehearsed, unless the rehearsal shows that the old one can serve alongside the new one",
  ]);
});

test("what requests meet follows from whether there is a proxy to hold them at", async () => {
  const { directory, release } = serving(now);
  const replaced = [change("server", "recreate", "image changed")];
  const present = { ...release, heads: settled.heads };
  const last = async (observed?: readonly ObservedContainer[]) => {
    const decision = decisionOf(settled, replaced, observed);
    const seen = { ...decision, currentState: { ...decision.currentState, present } };
    return (await describePlan(now, seen, release, directory)).at(-1);
  };
  assert.equal(
    await last(),
    "downtime: none (the new server starts next to the old one and takes over: the schema stays)",
  );
  assert.equal(
    await last([exampleContainer("server")]),
    "downtime: for as long as the server takes to stop and boot (there is no proxy)",
  );
});

test("settings and configuration are compared with those of the release that serves", async () => {
  const before = targetOf(settingsOf("prod", { SERVER_MEMORY: "1g", OTEL_BATCH_TIMEOUT: "3s" }));
  const { directory, release } = serving(before);
  const lines = await describePlan(now, decisionOf(), release, directory);
  const settings = lines.slice(lines.indexOf("settings:") + 1, lines.indexOf("collector:"));
  assert.deepEqual(settings.toSorted(), [
    "  + OTEL_BATCH_TIMEOUT=10s",
    "  + SERVER_MEMORY=2g",
    "  - OTEL_BATCH_TIMEOUT=3s",
    "  - SERVER_MEMORY=1g",
  ]);
  const collector = lines.slice(lines.indexOf("collector:") + 1);
  assert.match(collector[0]!, /^ {2}- +timeout: 3s$/);
  assert.match(collector[1]!, /^ {2}\+ +timeout: 10s$/);
});

test("what serves by a rollback is compared as what it restored", async () => {
  const before = targetOf(settingsOf("prod", { SERVER_MEMORY: "1g" }));
  const { directory } = serving(before);
  const release: Release = {
    ...exampleRelease("000004", { outcome: "good", restores: "000003" }),
    format: 2,
  };
  const lines = await describePlan(now, decisionOf(), release, directory);
  assert.ok(lines.includes("  - SERVER_MEMORY=1g"));
  assert.ok(lines.includes("  + SERVER_MEMORY=2g"));
});

test("a rollback says that secrets are the present ones, a deploy has no need to", async () => {
  const { directory, release } = serving(now);
  const line = "secrets: the present ones";
  const past = { ...now, restores: "000002" };
  assert.ok((await describePlan(past, decisionOf(), release, directory)).includes(line));
  assert.ok(!(await describePlan(now, decisionOf(), release, directory)).includes(line));
});

test("a long difference is cut, and says by how much", async () => {
  const { directory, release } = serving(now);
  const collector = Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join("");
  const other = { ...now, prepared: { ...now.prepared, collector } };
  const lines = await describePlan(other, decisionOf(), release, directory);
  const shown = lines
    .slice(lines.indexOf("collector:") + 1)
    .filter((one) => /^ {2}[-+] /.test(one));
  const whole = now.prepared.collector.trimEnd().split("\n").length + 100;
  assert.equal(shown.length, 40);
  assert.ok(lines.includes(`  … and ${whole - 40} more lines`));
});

test("a rollback that is verified is reported in two lines", () => {
  assert.deepEqual(describeSchema(schemaOf({ verifications: [verification] })), [
    "database: unchanged; the older server runs on it: the database is 1 migrations ahead of the image (c3, its head is b2)",
    "  --database keep (verified): the newer schema stays, loses nothing; 0.15.1 answered 11 requests on a copy",
  ]);
});

test("a refusal names what is ahead, every way, how it stands and what it loses", () => {
  assert.deepEqual(
    describeSchema(
      schemaOf({ verifications: [{ ...verification, passed: false, detail: "500" }] }),
    ),
    [
      "database: cannot be used: the database is 1 migrations ahead of the image (c3, its head is b2)",
      "  ahead by c3 add providers",
      "  --database keep (failed): the newer schema stays, loses nothing; 500",
      `  --database copy (untried): the old schema of backup ${backup.id} of ${backup.created}, the rows of now; loses columns and tables that schema lacks`,
      "  --database downgrade (untried): loses what the downgrades drop",
      `  --database restore (untried): backup ${backup.id} of ${backup.created} is restored; loses all writes since`,
    ],
  );
});

test("a refusal without a way says why and nothing else", () => {
  assert.deepEqual(describeSchema(schemaOf({ revision: ["zz"] })), [
    "database: cannot be used: no image at hand knows the database's revision zz",
  ]);
});

test("where one is far ahead, enough migrations are named to know whose they are", () => {
  const far = [...older];
  for (let count = 10; count < 30; count += 1)
    far.push({ id: `r${count}`, down: [far.at(-1)!.id], title: "" });
  const lines = describeSchema(schemaOf({ revision: ["r29"], present: far }));
  assert.equal(lines.filter((one) => one.startsWith("  ahead by ")).length, 6);
  assert.ok(lines.includes("  … and 14 more"));
});

test("whatever is asked, what is done is named, and each way at most once", () => {
  const facts = fc.record({
    revision: fc.constantFrom(undefined, [], ["a1"], ["b2"], ["c3"], ["zz"], ["b2", "zz"]),
    target: fc.constantFrom(older, newer),
    present: fc.constantFrom<History[]>(newer, []),
    verifications: fc.constantFrom([], [verification], [{ ...verification, passed: false }]),
    backup: fc.constantFrom(undefined, backup),
    input: fc.constantFrom(undefined, ...databaseOptions),
  });
  fc.assert(
    fc.property(facts, (given) => {
      const schema = schemaOf(given);
      const [first, ...lines] = describeSchema(schema);
      assert.ok(first!.startsWith("database: ") && first!.endsWith(schema.why));
      const strategies = lines.filter((one) => one.includes("--database"));
      const named = strategies.map((one) => one.trim().split(" ")[1]);
      assert.equal(new Set(named).size, named.length);
      const [chosen] = schema.attempts;
      if (chosen !== undefined) assert.ok(named.includes(chosen), chosen);
      if (schema.action === "refuse") assert.equal(strategies.length, schema.strategies.length);
    }),
  );
});

test("no secret stands in a plan, though every one of them was changed", async () => {
  const changed = Object.fromEntries(
    Object.keys(exampleSecrets).map((name) => [name, `rotated-${name.toLowerCase()}`]),
  );
  const more = {
    LETTA_PG_URI: "postgresql://letta:outside-secret@db.example/letta",
    OPENAI_API_KEY: "sk-openai-secret",
    CLICKHOUSE_ENDPOINT: "https://ch.example:8443",
    CLICKHOUSE_DATABASE: "otel",
    CLICKHOUSE_USERNAME: "otel",
    CLICKHOUSE_PASSWORD: "clickhouse-secret",
  };
  const { directory, release } = serving(targetOf(settingsOf("prod")));
  const settings = settingsOf("prod", { ...changed, ...more });
  const decision = decisionOf(schemaOf(), [change("server", "recreate", "a secret changed")]);
  const text = (await describePlan(targetOf(settings), decision, release, directory)).join("\n");
  assert.match(text, /collector:/, "the plan shows no difference to look into");
  assert.match(text, /recreate server: a secret changed/);
  const secrets = [...settings.sensitive(), ...Object.values(exampleSecrets)];
  for (const secret of [...secrets, "outside-secret"]) assert.ok(!text.includes(secret), secret);
});
