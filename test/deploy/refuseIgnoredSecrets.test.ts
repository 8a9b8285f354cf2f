import assert from "node:assert/strict";
import { test } from "node:test";
import { keepRelease, updateRelease } from "../../scripts/state/releases.ts";
import { keyedDigest, secretKey } from "../../scripts/state/secretKey.ts";
import { stateDirectory } from "../../scripts/state/stateDirectory.ts";
import { refuseIgnoredSecrets } from "../../scripts/deploy/assertSamePlace.ts";
import { exampleRelease } from "../state/exampleRelease.ts";
import { folder } from "../state/folder.ts";
import { settingsOf } from "./exampleTarget.ts";

const previous = "postgresql://letta:outside-secret@db.example/letta";

/** Settings after a release that had this key of OpenAI and this database. */
function after(had: Record<string, string>, now: Record<string, string> = {}) {
  const settings = settingsOf("prod", { STATE_DIR: folder(), ...now });
  const directory = stateDirectory(settings.stateDir, "prod");
  const key = secretKey(directory, (count) => Buffer.alloc(count, 5));
  const digests = Object.entries(had).map(([name, value]) => [name, keyedDigest(key, value)]);
  const secrets = Object.fromEntries(digests) as Record<string, string>;
  const release = exampleRelease("000001", { environment: "prod", secrets });
  keepRelease(directory, release, { "compose.yaml": "", "collector.yaml": "", "settings.env": "" });
  updateRelease(directory, { ...release, outcome: "good" });
  return settings;
}

const refused = (settings: ReturnType<typeof after>, environment: Record<string, string>) => {
  try {
    refuseIgnoredSecrets(settings, Object.keys(environment), environment);
    return undefined;
  } catch (error) {
    const { code, exit, next, message, details } = error as Record<string, unknown>;
    assert.deepEqual([code, exit], ["USAGE", 2]);
    const reported = JSON.stringify([message, details, next]);
    for (const value of Object.values(environment)) assert.ok(!reported.includes(value));
    return next;
  }
};

test("a secret that the release had and only the ignored environment has is refused", () => {
  const settings = after({ LETTA_PG_URI: previous, OPENAI_API_KEY: "theirs-placeholder" });
  assert.equal(
    refused(settings, {
      LETTA_PG_URI: previous,
      OPENAI_API_KEY: "rotated-placeholder",
      HOST: "box",
    }),
    "the same command with --from-env LETTA_PG_URI,OPENAI_API_KEY",
  );
});

test("a value that the release was deployed with is refused where the file has another", () => {
  const settings = after(
    { OPENAI_API_KEY: "theirs-placeholder" },
    { OPENAI_API_KEY: "stale-placeholder" },
  );
  assert.match(
    String(refused(settings, { OPENAI_API_KEY: "theirs-placeholder" })),
    /--from-env OPENAI_API_KEY/,
  );
});

test("a shell's own key changes nothing, and neither does one that no release had", () => {
  const same = { OPENAI_API_KEY: "theirs-placeholder" };
  assert.equal(refused(after(same, same), { OPENAI_API_KEY: "personal-placeholder" }), undefined);
  assert.equal(
    refused(after(same, { OPENAI_API_KEY: "new-placeholder" }), {
      OPENAI_API_KEY: "personal-placeholder",
    }),
    undefined,
  );
  assert.equal(refused(after({}), { OPENAI_API_KEY: "personal-placeholder" }), undefined);
  const first = settingsOf("prod", { STATE_DIR: folder() });
  refuseIgnoredSecrets(first, ["OPENAI_API_KEY"], { OPENAI_API_KEY: "personal-placeholder" });
});
