import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import fc from "fast-check";
import {
  checkSecretsText,
  listSecrets,
  noteDates,
  rotationOf,
  secretDates,
  setSecret,
} from "../../scripts/settings/secrets.ts";
import { openSecretsFile } from "../../scripts/settings/secretsFile.ts";
import { parseEnvFile, quoteEnvValue, writeAssignment } from "../../scripts/settings/envFile.ts";
import {
  pendingSecrets,
  withoutPending,
  withPending,
} from "../../scripts/settings/gatherLayers.ts";
import { project } from "./project.ts";

const file = "env/prod.secrets.env";
const secrets = [
  "LETTA_PG_PASSWORD=kR7mQ2vX9bL4",
  "LETTA_SERVER_PASSWORD=uT5pW8zE3cH1",
  "LETTA_ENCRYPTION_KEY=yN6dF1sJ4gA7",
  "",
].join("\n");

const valueOf = (text: string, name: string) =>
  parseEnvFile(text, "").assignments.find((one) => one.name === name)?.value;

test("an assignment is written anew where it stands, and all else stays byte for byte", () => {
  const text = `# a\r\nDD_SITE='x\ny' # note\nexport DD_API_KEY=old\n# z`;
  assert.equal(
    writeAssignment(text, "DD_SITE", "b.example"),
    "# a\r\nDD_SITE=b.example\nexport DD_API_KEY=old\n# z",
  );
  assert.equal(
    writeAssignment(text, "DD_API_KEY", "it's # new"),
    `# a\r\nDD_SITE='x\ny' # note\nDD_API_KEY="it's # new"\n# z`,
  );
  assert.equal(
    writeAssignment(text, "OPENAI_API_KEY", "k"),
    `${text}\n\n# key of OpenAI\nOPENAI_API_KEY=k\n`,
  );
});

test("any value that an env file can hold is read back, whatever stood there before", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, value) => {
      if (quoteEnvValue(before) === undefined) return;
      const text = `A=1\nDD_API_KEY=${quoteEnvValue(before)}\nB=2\n`;
      if (quoteEnvValue(value) === undefined) {
        assert.throws(() => writeAssignment(text, "DD_API_KEY", value), { code: "USAGE" });
        return;
      }
      const written = writeAssignment(text, "DD_API_KEY", value);
      assert.equal(valueOf(written, "DD_API_KEY"), value);
      assert.equal(valueOf(written, "B"), "2");
    }),
  );
});

test("the day is noted above what changed, and a value changed by hand since has none", () => {
  const first = noteDates("", "A=1\n# for b\nB='2\n3'\n", "2026-01-02");
  assert.deepEqual([...secretDates(first)].sort(), [
    ["A", "2026-01-02"],
    ["B", "2026-01-02"],
  ]);
  const second = noteDates(first, first.replace("A=1", "A=2"), "2026-03-04");
  assert.deepEqual([...secretDates(second)].sort(), [
    ["A", "2026-03-04"],
    ["B", "2026-01-02"],
  ]);
  assert.equal(second.match(/# set /gu)?.length, 2, "an old note is left alongside the new one");
  assert.equal(noteDates(second, second, "2026-05-06"), second);
  assert.deepEqual([...secretDates(second.replace("A=2", "A=3")).keys()], ["B"]);
});

test("list tells names, states and ages, and no value", (context) => {
  const { root, write } = project(context);
  const text = noteDates("", `${secrets}DD_API_KEY=\n`, "2026-11-01").replace("kR7mQ", "other");
  write(file, text);
  const place = { environment: "prod", root, processEnvironment: {} } as const;
  const listed = listSecrets(place, { file, text }, "2026-11-21");
  assert.deepEqual(listed, [
    { name: "LETTA_PG_PASSWORD", state: "set", days: null },
    { name: "LETTA_SERVER_PASSWORD", state: "set", days: 20 },
    { name: "LETTA_ENCRYPTION_KEY", state: "set", days: 20 },
    { name: "DD_API_KEY", state: "empty", days: null },
  ]);
  const none = listSecrets(place, { file, text: "" }, "2026-11-21");
  assert.deepEqual(new Set(none.map((one) => one.state)), new Set(["missing"]));
  assert.ok(!none.some((one) => one.name === "CLICKHOUSE_PASSWORD"), "no part uses it");
});

test("one value is set where it will do; one that will not leaves the file as it is", async (context) => {
  const { root, write, read } = project(context);
  write(file, secrets);
  const place = { environment: "prod", root, processEnvironment: {} } as const;
  const set = async (name: string, value: string) =>
    setSecret(place, await openSecretsFile(place), { name, value, day: "2026-11-21" });
  await set("DD_API_KEY", "0123456789abcdef");
  assert.equal(read("prod").get("DD_API_KEY"), "0123456789abcdef");
  const before = readFileSync(join(root, file), "utf8");
  await assert.rejects(set("DD_API_KEY", "changeme"), { code: "SETTINGS_INVALID" });
  await assert.rejects(set("OPENAI_API_KEY", "ab"), { code: "SETTINGS_INVALID" });
  await assert.rejects(set("OPENAI_API_KEY", "it's ${HOME}"), { code: "USAGE" });
  await assert.rejects(set("OPENAI_API_KEI", "abcdefgh"), {
    message: /did you mean OPENAI_API_KEY/,
  });
  await assert.rejects(set("OPENAI_API_KEY=abcdefgh", "x"), (error: Error) => {
    assert.ok(!error.message.includes("abcdefgh"), error.message);
    return true;
  });
  assert.equal(readFileSync(join(root, file), "utf8"), before);
});

test("a shell's own value does not hide what is wrong in the file", (context) => {
  const { root } = project(context);
  const shell = { DD_API_KEY: "0123456789abcdef" };
  const place = { environment: "prod", root, processEnvironment: shell } as const;
  const text = `${secrets}DD_API_KEY=changeme\n`;
  assert.throws(() => checkSecretsText(place, { file, text }), {
    details: [`${file}:4: DD_API_KEY: expected a secret of its own, got a placeholder`],
  });
});

test("a rotation under way stands next to the value, and other commands say how to go on", (context) => {
  const { write, read, refusal } = project(context);
  const text = withPending(secrets, "LETTA_PG_PASSWORD", "newOne123");
  assert.equal(valueOf(text, "LETTA_PG_PASSWORD"), "kR7mQ2vX9bL4");
  assert.deepEqual([...pendingSecrets(text)], [["LETTA_PG_PASSWORD", "newOne123"]]);
  assert.equal(withoutPending(text), secrets);
  write(file, text);
  const { next, details } = refusal("prod");
  assert.equal(next, "npm run secrets -- rotate prod LETTA_PG_PASSWORD");
  assert.ok(!details.join("").includes("newOne123"));
  write(file, withoutPending(text));
  assert.ok(read("prod").has("LETTA_PG_PASSWORD"));
});

test("what may be rotated, and what to do about the rest", () => {
  const settings: Record<string, string> = { CLICKHOUSE_MODE: "bundled", GRAFANA_ENABLED: "true" };
  const get = (name: string) => settings[name] ?? "";
  const rotate = (name: string) => rotationOf("prod", name, get);
  assert.deepEqual(rotate("LETTA_PG_PASSWORD"), {
    name: "LETTA_PG_PASSWORD",
    means: "database",
    recreates: [],
  });
  assert.deepEqual(rotate("LETTA_SERVER_PASSWORD").recreates, []);
  assert.deepEqual(rotate("CLICKHOUSE_READER_PASSWORD").recreates, ["clickhouse"]);
  const refused = (name: string, code: string, words: RegExp, next: string) =>
    assert.throws(
      () => rotate(name),
      (error: Error & { code: string; next: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message, words);
        assert.equal(error.next, next);
        return true;
      },
    );
  const list = "npm run secrets -- list prod";
  refused("LETTA_ENCRYPTION_KEY", "KEY_CHANGED", /could not be read/, list);
  refused("GRAFANA_SECRET_KEY", "KEY_CHANGED", /could not read/, list);
  refused(
    "GRAFANA_ADMIN_PASSWORD",
    "USAGE",
    /change it in Grafana/,
    "npm run secrets -- set prod GRAFANA_ADMIN_PASSWORD",
  );
  refused("DD_API_KEY", "USAGE", /others issue it/, "npm run secrets -- set prod DD_API_KEY");
  refused("PORT", "USAGE", /expected the name of a secret/, list);
  settings["LETTA_PG_URI"] = "postgresql://u:p@db/letta";
  refused(
    "LETTA_PG_PASSWORD",
    "USAGE",
    /others issue it/,
    "npm run secrets -- set prod LETTA_PG_URI",
  );
  settings["CLICKHOUSE_MODE"] = "";
  refused(
    "CLICKHOUSE_PASSWORD",
    "USAGE",
    /others issue it/,
    "npm run secrets -- set prod CLICKHOUSE_PASSWORD",
  );
});
