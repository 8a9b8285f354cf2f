import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { checkDatadog, checkValidation } from "../../scripts/checks/checkSinks.ts";
import { datadog, type Datadog } from "../fakes/datadog/datadog.ts";

let fake: Datadog;
before(async () => {
  fake = await datadog({ host: "127.0.0.1", port: 0, key: "rightKeyOfTheRig" });
});
after(() => fake.close());

const account = (key: string, intake: string) => ({
  key,
  intake,
  site: "",
  caCertificate: undefined,
});
const asked = (key: string) => checkDatadog(account(key, `http://127.0.0.1:${fake.port}/`), "on");

test("Datadog knows the right key and refuses another", async () => {
  assert.equal((await asked("rightKeyOfTheRig")).outcome, "passed");
  const { outcome, detail } = await asked("wrongKeyOfMine");
  assert.equal(outcome, "failed");
  assert.match(detail, /does not know the key of DD_API_KEY \(403\)$/);
});

test("an intake where nothing listens is reported as such", async () => {
  const { detail } = await checkDatadog(account("key", "http://127.0.0.1:1"), "on");
  assert.match(detail, /^http:\/\/127\.0\.0\.1:1: nothing listens there/);
});

test("a key may belong to another site", () => {
  const refused = { status: 403, body: "" };
  const { detail } = checkValidation(refused, "https://api.x", account("key", ""), "on");
  assert.match(detail, /or its account is not at datadoghq\.com/);
});

test("a page that is no answer of Datadog's knows no key", () => {
  const page = { status: 200, body: "<html>" };
  assert.equal(
    checkValidation(page, "https://p", account("key", "https://p"), "on").outcome,
    "failed",
  );
});
