import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { checkKey, checkSigNoz } from "../../scripts/checks/checkSinks.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";
import { signoz, type SigNoz } from "../fakes/signoz/signoz.ts";

const folder = mkdtempSync(join(tmpdir(), "signoz-"));
const key = "rightKeyOfTheRig";
let ca = "";
let fake: SigNoz;

before(async () => {
  const made = certificateAuthority(folder, "localhost");
  ca = readFileSync(made.caFile, "utf8");
  fake = await signoz({ host: "127.0.0.1", port: 0, key, caCertificate: made });
});
after(() => {
  fake.close();
  rmSync(folder, { recursive: true });
});

const asked = (sent: string) =>
  checkSigNoz(
    { host: "localhost", port: fake.port, tls: true },
    sent,
    { caCertificate: ca, now: Date.now },
    "on",
  );

test("the right key is taken over TLS, and nothing is left there", async () => {
  assert.equal((await asked(key)).outcome, "passed");
  assert.equal(fake.retained.traces.size, 0);
  assert.equal(fake.counts.taken, 1);
});

test("a wrong key is reported as such, and not shown", async () => {
  const { outcome, detail, next } = await asked("wrongKeyOfMine");
  assert.deepEqual([outcome, next], ["failed", "on"]);
  assert.match(detail, /does not take the key of SIGNOZ_INGESTION_KEY \(UNAUTHENTICATED/);
  assert.ok(!detail.includes("wrongKeyOfMine"));
});

test("other answers are distinguished", () => {
  const judged = (code: string, tls = true) =>
    checkKey({ code, details: "" }, { host: "h", port: 1, tls }, "on").detail;
  assert.match(judged("UNIMPLEMENTED"), /no OTLP receiver over gRPC/);
  assert.match(judged("UNAVAILABLE", false), /is the endpoint to begin with https/);
  assert.match(judged("RESOURCE_EXHAUSTED"), /^SigNoz answers RESOURCE_EXHAUSTED/);
});
