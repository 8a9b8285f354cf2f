import assert from "node:assert/strict";
import { test } from "node:test";
import { countedEnvironment } from "../../scripts/settings/gatherLayers.ts";

const shell = { PATH: "/bin", HOST: "x86_64-conda-linux-gnu", OPENAI_API_KEY: "mine", TZ: "UTC" };

for (const environment of ["staging", "prod"] as const) {
  test(`${environment}: no setting counts unless --from-env names it`, () => {
    const none = countedEnvironment(environment, shell, []);
    assert.deepEqual(none.counted, { PATH: "/bin" });
    assert.deepEqual(none.ignored, ["HOST", "OPENAI_API_KEY"]);
    const one = countedEnvironment(environment, shell, ["OPENAI_API_KEY", "TZ"]);
    assert.deepEqual(one.counted, { PATH: "/bin", OPENAI_API_KEY: "mine", TZ: "UTC" });
    assert.deepEqual(one.ignored, ["HOST"]);
  });
}

for (const environment of ["dev", "development"] as const) {
  test(`${environment}: every setting counts except what only the server reads`, () => {
    const { counted, ignored } = countedEnvironment(environment, shell, []);
    assert.deepEqual(counted, { PATH: "/bin", HOST: shell.HOST, OPENAI_API_KEY: "mine" });
    assert.deepEqual(ignored, []);
    assert.equal(countedEnvironment(environment, shell, ["TZ"]).counted["TZ"], "UTC");
  });
}

test("names that are unknown or not set are bad input, all at once", () => {
  assert.throws(() => countedEnvironment("prod", shell, ["OPENAI_API_KEI", "PORT", "PATH", ""]), {
    code: "USAGE",
    exit: 2,
    details: [
      "OPENAI_API_KEI: expected a setting, got an unknown name; did you mean OPENAI_API_KEY?",
      "PORT: expected a value in the process environment, got none",
      "PATH: expected a setting, got an unknown name",
      ": expected a setting, got an unknown name",
    ],
  });
});
