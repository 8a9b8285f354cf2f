import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { safeParse } from "valibot";
import { settingsText } from "../../scripts/deploy/describeRelease.ts";
import {
  isOwnSetting,
  settingDefinitions,
  type SettingName,
} from "../../scripts/settings/settingDefinitions.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { pastSettings } from "../../scripts/settings/pastSettings.ts";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import { exampleSecrets, root } from "../stack/exampleStack.ts";
import { exampleSettings } from "./simulation.ts";

const settings = exampleSettings();

test("a release's settings are recognised by name, one a line, without a secret's name or value", () => {
  const text = settingsText(settings);
  const names = text
    .trimEnd()
    .split("\n")
    .map((line) => line.split("=", 1)[0]!);
  assert.deepEqual(names, [...names].sort());
  for (const [name, value] of Object.entries(exampleSecrets)) {
    assert.ok(!text.includes(value), name);
    assert.ok(!names.includes(name), name);
  }
  assert.ok(names.includes("LETTA_VERSION"));
});

for (const environment of environmentNames) {
  test(`${environment}'s settings come back from their own text`, () => {
    const processEnvironment = { ...exampleSecrets, LETTA_SOURCE_DIR: "/srv/letta source" };
    const now = readSettings({ environment, root, processEnvironment, mayMiss: true });
    const text = settingsText(now);
    const past = pastSettings(now, text, "release 000001");
    assert.equal(settingsText(past), text);
    for (const name of Object.keys(settingDefinitions) as SettingName[])
      assert.equal(past.get(name), now.get(name), name);
  });
}

const isGood = (name: SettingName, value: string) =>
  safeParse(settingDefinitions[name].schema, value).success;

/** Those whose values may be nearly anything: paths and addresses; the others' have a form. */
const free = (Object.keys(settingDefinitions) as SettingName[]).filter(
  (name) =>
    !settingDefinitions[name].secret &&
    !isOwnSetting(name) &&
    (isGood(name, "/a=b") || isGood(name, "https://a/?b=c")),
);

test("any value that a setting may have comes back byte for byte", () => {
  const rest = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 12 }),
    fc.string({ unit: fc.constantFrom(..."/a.=#$\n\r\u0085\u2028'\" :?&1"), maxLength: 12 }),
  );
  const value = fc.tuple(fc.constantFrom("/", "https://a/", "https://a/?"), rest);
  let judged = 0;
  fc.assert(
    fc.property(fc.constantFrom(...free), value, (name, pieces) => {
      const text = pieces.join("");
      if (!isGood(name, text)) return;
      judged += 1;
      const now = {
        ...settings,
        entries: () => [{ name, value: text, origin: "a test", secret: false }],
      };
      assert.equal(pastSettings(settings, settingsText(now), "then").get(name), text);
    }),
    { numRuns: 2000 },
  );
  assert.ok(judged > 100, `only ${judged} values were any good`);
});
