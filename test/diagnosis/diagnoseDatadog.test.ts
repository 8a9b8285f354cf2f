import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { diagnoseDatadog, judgeValidation } from "../../scripts/diagnosis/diagnoseDatadog.ts";
import { datadog, type Datadog } from "../rigs/datadog/datadog.ts";

let rig: Datadog;
before(async () => {
  rig = await datadog({ host: "127.0.0.1", port: 0, key: "rightKeyOfTheRig" });
});
after(() => rig.close());

const account = (key: string, intake: string) => ({ key, intake, site: "", authority: undefined });
const asked = (key: string) => diagnoseDatadog(account(key, `http://127.0.0.1:${rig.port}/`), "on");

test("Datadog knows the right key and refuses another", async () => {
  assert.equal((await asked("rightKeyOfTheRig")).outcome, "passed");
  const { outcome, detail } = await asked("wrongKeyOfMine");
  assert.equal(outcome, "failed");
  assert.match(detail, /does not know the key of DD_API_KEY \(403\)$/);
});

test("an intake where nothing listens is told as such", async () => {
  const { detail } = await diagnoseDatadog(account("key", "http://127.0.0.1:1"), "on");
  assert.match(detail, /^http:\/\/127\.0\.0\.1:1: nothing listens there/);
});

test("a key may belong to another site", () => {
  const refused = { status: 403, body: "" };
  const { detail } = judgeValidation(refused, "https://api.x", account("key", ""), "on");
  assert.match(detail, /or its account is not at datadoghq\.com/);
});

test("a page that is no answer of Datadog's knows no key", () => {
  const page = { status: 200, body: "<html>" };
  assert.equal(
    judgeValidation(page, "https://p", account("key", "https://p"), "on").outcome,
    "failed",
  );
});
