import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./sources.ts";

/**
 * Words of an earlier private vocabulary, and what stands in their place today. As written words:
 * an identifier such as `doorbell` is none of them.
 */
const glossary: Readonly<Record<string, string>> = {
  whoever: "a user, a client, a caller, a run",
  somebody: "another user, another process, a person",
  nobody: "no user, no client, nothing",
  "lets? in|letting in|let-in": "has taken writes, sends requests",
  "doors?": "proxy, port, client",
  "ways? back": "rollback",
  beside: "next to, side by side, besides",
  stage: "rehearsal environment",
  "(?:the|our) house|house rules?": "architecture, stack rules",
  "proven|prove|proves|proved|proving": "verified, verify",
  "proofs?": "verification",
  "roads?": "pipeline",
  "rooms?": "module, space",
  "actors?": "rehearsed server",
  told: "reported, shown, asked",
  kept: "retained, stored",
  "sheets?": "manifest",
  "ledgers?": "state",
  cutover: "strategy",
  "overlap strategy": "blue-green",
  "HOLD_MAX|DRAIN_MAX|CUTOVER|PROBE_IMAGE|STAGING_PROOF|\\w+_WAIT_SECONDS":
    "PAUSE_TIMEOUT and the like",
  "x-server|x-blotted|x-broken": "x-app, x-redact-output, x-health-hints",
  "stand-?ins?": "fake server",
  "rigs?": "fake",
  "newcomer|knower": "candidate, revision owner",
};
const banned = new RegExp(`\\b(?:${Object.keys(glossary).join("|")})\\b`, "giu");

/** In names that are written together, such as `openDoor`, `wayBack` or `isProven`. */
const joined =
  /(?:Door|WayBack|wayBack|Proven|proven(?=[A-Z])|LetIn|letIn|Beside|beside(?=[A-Z])|Nobody|Somebody|Whoever|Sheet|Ledger|Cutover|CutOver|Newcomer|Knower|askedWay|Standin|standin)(?![a-z])/gu;

/** Other people's words: what their programs print, and the names of their things. */
const others: readonly string[] = [
  "docker/", // third-party sources with our patches; a changed comment there would rebuild an image
  "test/checks/metrics/", // recorded from real collectors
  "test/simulation/schedules/", // stored by their fault's name
  "test/architecture/vocabulary.test.ts",
  "otel/grafana/dashboards/",
  "test/grafana/lint.test.ts", // a label of ClickHouse's own is called so
  "test/docker/dockerfiles.test.ts", // Docker's build stages
  "scripts/database/databaseNames.ts", // names of databases that earlier versions made
  "test/real/roles.test.ts", // the same
  "test/database/databaseName.test.ts", // the same
  "test/real/eventsDuring.ts", // the engine calls what an event is about its Actor
];

const texts = globSync(
  [
    "scripts/**/*.{ts,mjs}",
    "test/**/*.{ts,py,yaml}",
    "bench/**/*.ts",
    "{docs,env,compose,otel}/**/*.{md,env,yaml,py}",
    "*.md",
    "package.json",
  ],
  { cwd: root },
)
  .sort()
  .filter((path) => !others.some((one) => path.startsWith(one)));

function found(words: RegExp): string[] {
  return texts.flatMap((path) =>
    readFileSync(join(root, path), "utf8")
      .split("\n")
      .flatMap((line, index) =>
        [...line.matchAll(words)].map((match) => `${path}:${index + 1}: ${match[0]}`),
      ),
  );
}

test("code, messages, help, documents and tests use the field's words", () => {
  assert.ok(texts.length > 300, "the files are not where this test looks for them");
  assert.deepEqual(found(banned), []);
});

test("names in code use the field's words", () => {
  assert.deepEqual(found(joined), []);
});
