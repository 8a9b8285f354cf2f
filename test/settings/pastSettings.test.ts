import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { isOwnSetting } from "../../scripts/settings/settingDefinitions.ts";
import { pastSettings } from "../../scripts/settings/pastSettings.ts";
import { project } from "./project.ts";

const secrets = {
  LETTA_PG_PASSWORD: "of-the-present-pg",
  LETTA_SERVER_PASSWORD: "of-the-present-server",
  LETTA_ENCRYPTION_KEY: "of-the-present-key",
};

const stored = `BAKE_TIME=33s
LETTA_VERSION=0.15.1
OTEL_BATCH_TIMEOUT=5s
STACK_PROJECT=letta-then
STATE_DIR=/srv/then
`;

/** prod as it is committed, and as release 000003 had it. */
function both(context: TestContext, text = stored, more: Record<string, string> = {}) {
  const now = project(context).read("prod", {
    ...secrets,
    LETTA_VERSION: "0.16.8",
    STACK_PROJECT: "letta-now",
    STATE_DIR: "/srv/now",
    ...more,
  });
  return { now, past: pastSettings(now, text, "release 000003") };
}

test("what a release was made with counts, not what is set now", (context) => {
  const { past } = both(context);
  assert.equal(past.get("LETTA_VERSION"), "0.15.1");
  assert.equal(past.get("OTEL_BATCH_TIMEOUT"), "5s");
  assert.deepEqual(past.lookup("LETTA_VERSION"), { value: "0.15.1", secret: false });
  assert.equal(past.origin("LETTA_VERSION"), "release 000003");
  assert.deepEqual(past.layers("LETTA_VERSION"), [
    { origin: "release 000003", value: "0.15.1", wins: true },
  ]);
});

test("what a release did not have is not set, though it is set now", (context) => {
  const { now, past } = both(context, stored, { PROXY_DOMAIN: "letta.example.com" });
  assert.equal(now.get("PROXY_DOMAIN"), "letta.example.com");
  assert.equal(past.get("PROXY_DOMAIN"), "");
  assert.equal(past.has("PROXY_DOMAIN"), false);
  assert.equal(past.origin("PROXY_DOMAIN"), "");
  assert.deepEqual(past.lookup("PROXY_DOMAIN"), { value: "", secret: false });
});

test("secrets are the present ones, and stay secret", (context) => {
  const { now, past } = both(context);
  assert.deepEqual(past.secrets, now.secrets);
  assert.deepEqual(past.sensitive(), now.sensitive());
  for (const [name, value] of Object.entries(secrets) as [keyof typeof secrets, string][]) {
    assert.equal(past.get(name), value);
    assert.equal(past.origin(name), now.origin(name));
    assert.deepEqual(past.lookup(name), { value, secret: true });
    assert.deepEqual(past.layers(name), now.layers(name));
  }
});

test("a secret that stands in a release's file all the same does not count", (context) => {
  const { past } = both(context, "LETTA_PG_PASSWORD=of-the-past-pg\n");
  assert.equal(past.get("LETTA_PG_PASSWORD"), secrets.LETTA_PG_PASSWORD);
});

test("a secret that is not set now does not come back from a release's file", (context) => {
  const { past } = both(context, "OPENAI_API_KEY=of-the-past\n");
  assert.equal(past.get("OPENAI_API_KEY"), "");
  assert.equal(past.has("OPENAI_API_KEY"), false);
  assert.ok(!past.entries().some((one) => one.name === "OPENAI_API_KEY"));
});

test("where the state is and what the project is called are the present ones", (context) => {
  const { now, past } = both(context);
  for (const name of ["STATE_DIR", "STACK_PROJECT"] as const)
    assert.equal(past.get(name), now.get(name));
  assert.deepEqual([past.stateDir, past.project], ["/srv/now", "letta-now"]);
  assert.deepEqual([past.root, past.environment], [now.root, "prod"]);
});

test("its entries are what it says by name, each once", (context) => {
  const { past } = both(context);
  const entries = past.entries();
  for (const { name, value, origin } of entries) {
    assert.equal(value, past.get(name), name);
    assert.equal(origin, past.origin(name), name);
  }
  const names = entries.map((one) => one.name);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(
    names.filter((name) => !isOwnSetting(name)).sort(),
    ["LETTA_VERSION", "OTEL_BATCH_TIMEOUT", ...Object.keys(secrets)].sort(),
  );
  for (const { name, secret } of entries) assert.equal(secret, name in secrets, name);
});

test("a setting that this version no longer has is passed over", (context) => {
  const { past } = both(context, `OLD_SETTING=x\n__proto__=x\nconstructor=x\n${stored}`);
  assert.equal(past.get("LETTA_VERSION"), "0.15.1");
  assert.ok(!past.entries().some((one) => /OLD|proto|constructor/.test(one.name)));
  assert.equal(past.lookup("OLD_SETTING"), undefined);
});

test("a value with = and $ in it comes back whole", (context) => {
  const url = "https://api.example.com/v1?a=b&c==$d";
  const { past } = both(context, `AZURE_BASE_URL=${url}\n`);
  assert.equal(past.get("AZURE_BASE_URL"), url);
});

test("an empty file is a release that had nothing set", (context) => {
  const { past } = both(context, "");
  assert.equal(past.get("LETTA_VERSION"), "");
  assert.equal(past.get("LETTA_PG_PASSWORD"), secrets.LETTA_PG_PASSWORD);
  assert.deepEqual(past.missing, []);
});

test("how the tool goes about is said now, and was no part of the release", (context) => {
  const { now, past } = both(context, "BAKE_TIME=33s\nRELEASES_KEEP=1\n");
  for (const name of ["BAKE_TIME", "RELEASES_KEEP", "IMAGE_SOURCE"] as const) {
    assert.equal(past.get(name), now.get(name), name);
    assert.notEqual(past.get(name), "", name);
  }
});
