import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { safeParse } from "valibot";
import { didYouMean } from "../../scripts/common/didYouMean.ts";
import {
  settingDefinitions,
  type SettingName,
  shownValue,
} from "../../scripts/settings/settingDefinitions.ts";
import { environmentName } from "../../scripts/settings/environmentName.ts";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";

const digest = `@sha256:${"0a".repeat(32)}`;

const kinds: { name: SettingName; good: string[]; bad: string[] }[] = [
  {
    name: "STACK_PROJECT",
    good: ["letta-dev", "a", "9_x"],
    bad: ["Letta", "-x", "a b", "x".repeat(42)],
  },
  {
    name: "POSTGRES_IMAGE",
    good: [
      "busybox:1.37",
      "ghcr.io/a/b:v1",
      "localhost:5000/a/b:1",
      `a/b${digest}`,
      `a:latest${digest}`,
    ],
    bad: [
      "busybox",
      "a/b:latest",
      "A/b:1",
      "localhost:5000/a",
      "a:1@sha256:00",
      "a b:1",
      "$(id):1",
    ],
  },
  {
    name: "LETTA_IMAGE",
    good: ["letta/letta", "letta/letta:0.16.8", `letta/letta${digest}`],
    bad: ["letta/letta:latest", "x:"],
  },
  {
    name: "PORT",
    good: ["1", "8283", "65535"],
    bad: ["0", "65536", "0123", "1e5", "-1", "8283 ", "٣"],
  },
  {
    name: "HOST",
    good: ["0.0.0.0", "::", "10.1.2.3"],
    bad: ["x86_64-conda-linux-gnu", "localhost", "1.2.3", "127.0.0.1", "::1"],
  },
  { name: "SECURE", good: ["true", "false"], bad: ["True", "yes", "1", "no"] },
  {
    name: "LETTA_PG_URI",
    good: [
      "postgresql://u:p@h/d",
      "postgresql://u:p@h:5432/d?sslmode=disable",
      "postgresql://u:p$'\"@[::1]:1/d",
    ],
    bad: [
      "postgres://u:p@h/d",
      "postgresql://u@h/d",
      "postgresql://u:p%40@h/d",
      "postgresql://u:p/w@h/d",
      "postgresql://u:p#w@h/d",
      "postgresql://u:p?w@h/d",
      "postgresql://u:p@w@h/d",
      "postgresql://u:p:w@h/d",
      "postgresql://u:p w@h/d",
      "postgresql://u:p@h:0/d",
      "postgresql://u:p@h",
    ],
  },
  {
    name: "LETTA_PG_PASSWORD",
    good: ["abcdefghijkl", "$(id)`x`'\"!&*", "pässwörtlich"],
    bad: ["letta", "abcdefghijk", ..."/#?%@: \t".split("").map((one) => `abcdef${one}ghijklm`)],
  },
  {
    name: "CLICKHOUSE_ENDPOINT",
    good: ["http://ch:8123", "https://ch.example.com"],
    bad: ["tcp://ch:9000", "ch:8123", "http://u:p@ch:8123", "http://ch:99999", "http://ch/x"],
  },
  {
    name: "SIGNOZ_ENDPOINT",
    good: ["ingest.signoz.cloud:443", "https://x:4317", "http://signoz:4317"],
    bad: ["x", "grpc://x:1", "x:0", "http://x"],
  },
  {
    name: "OLLAMA_BASE_URL",
    good: ["http://ollama:11434", "https://x/v1?a=b"],
    bad: ["ollama:11434", "ftp://x", "http://u:p@x", "http://", "http://a b"],
  },
  {
    name: "TOOL_EXEC_DIR",
    good: ["/root/.letta/tool_execution_dir"],
    bad: ["x", "/", "/a/../b", "/a:b", "/a/"],
  },
  {
    name: "LETTA_SOURCE_DIR",
    good: ["/home/me/my letta"],
    bad: ["letta", "../letta", "/a:/b", "/$HOME"],
  },
  {
    name: "OTEL_BATCH_TIMEOUT",
    good: ["1s", "200ms", "1m30s", "1.5s"],
    bad: ["1", "s", "1 s", "two"],
  },
  { name: "SERVER_MEMORY", good: ["2g", "512m", "1GB"], bad: ["2", "12Q", "0m", "1.5g", "-1g"] },
  { name: "OTEL_BATCH_SIZE", good: ["1", "8192"], bad: ["0", "1.5", "1e3", "-1"] },
  { name: "IMAGE_SOURCE", good: ["auto", "pull", "local"], bad: ["", "always"] },
  { name: "LETTA_PG_DB", good: ["letta", "_x1"], bad: ["1x", "Letta", 'a"b', "a-b"] },
];

for (const { name, good, bad } of kinds) {
  test(`${name} takes what it says it takes`, () => {
    const { schema } = settingDefinitions[name];
    for (const value of good) assert.ok(safeParse(schema, value).success, `refused ${value}`);
    for (const value of bad) assert.ok(!safeParse(schema, value).success, `accepted ${value}`);
  });
}

test("a mistake with a reason is reported with the reason", () => {
  const reason = (name: SettingName, value: string) =>
    safeParse(settingDefinitions[name].schema, value).issues?.[0].message;
  assert.match(reason("LETTA_PG_PASSWORD", "abc%40defghijk") ?? "", /never percent-encode/u);
  assert.match(reason("LETTA_PG_URI", "postgresql://u:p%2F@h/d") ?? "", /breaks Alembic/u);
  assert.match(reason("POSTGRES_IMAGE", "x:latest") ?? "", /another image every time/u);
  assert.equal(reason("LETTA_PG_PASSWORD", "short"), "");
});

test("the example of a secrets file names every secret and nothing unknown", () => {
  const text = readFileSync(new URL("../../env/secrets.example.env", import.meta.url), "utf8");
  assert.deepEqual(parseEnvFile(text, "").assignments, [], "the example sets nothing by itself");
  const filled = parseEnvFile(text.replace(/^# (?=[A-Z0-9_]+=)/gmu, ""), "");
  assert.deepEqual(filled.faults, []);
  const named = new Set(filled.assignments.map((one) => one.name));
  for (const name of named) assert.ok(Object.hasOwn(settingDefinitions, name), name);
  for (const [name, { secret }] of Object.entries(settingDefinitions)) {
    if (secret) assert.ok(named.has(name), `${name} is not in the example`);
  }
});

test("an environment's name is known or answered with the nearest", () => {
  assert.equal(environmentName("prod"), "prod");
  for (const [typed, meant] of [
    ["production", "prod"],
    ["stagin", "staging"],
    ["developmnt", "development"],
  ]) {
    assert.throws(() => environmentName(typed), {
      code: "USAGE",
      message: new RegExp(`mean ${meant}\\?`, "u"),
    });
  }
  assert.throws(() => environmentName("qa"), { message: /got "qa"$/u });
  assert.throws(() => environmentName(undefined), { message: /got none$/u });
  assert.throws(() => environmentName("constructor"), { code: "USAGE" });
});

test("nearest wants most of what was typed to stay", () => {
  assert.equal(
    didYouMean("LETTA_PG_PASWORD", Object.keys(settingDefinitions)),
    "LETTA_PG_PASSWORD",
  );
  assert.equal(didYouMean("PROT", ["PORT", "HOST"]), "PORT");
  assert.equal(didYouMean("PXYT", ["PORT", "HOST"]), undefined);
  assert.equal(didYouMean("PORTS", ["PORT", "HOST"]), "PORT");
  assert.equal(didYouMean("zzzzzz", ["PORT"]), undefined);
});

test("a shown value hides secrets and users of URLs, is short, and moves no cursor", () => {
  assert.equal(shownValue("hunter2", { secret: true }), "a value of 7 characters");
  assert.equal(shownValue("http://me:pw@x/y", {}), "http://••••@x/y");
  assert.equal(shownValue("x".repeat(500), {}), `${"x".repeat(60)}…`);
  assert.equal(shownValue("a\u001b[2J\u202eb", {}), '"a\\u001b[2J\\u{202e}b"');
  assert.equal(shownValue(" a", {}), '" a"');
  assert.equal(shownValue("", {}), "nothing");
});
