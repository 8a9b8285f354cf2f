import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { countedEnvironment } from "../../scripts/settings/gatherLayers.ts";
import { safeParse } from "valibot";
import { ownedVariables, serverVariables } from "../../scripts/settings/serverVariables.ts";
import { readSettings } from "../../scripts/settings/readSettings.ts";
import {
  isOwnSetting,
  settingDefinitions,
  type SettingName,
} from "../../scripts/settings/settingDefinitions.ts";
import { project } from "./project.ts";

const secrets = "LETTA_PG_PASSWORD=kR7mQ2vX9bT4nL6w\nLETTA_SERVER_PASSWORD=uT5pW8zE3cH1\n";

test("a real user's env file is taken as it is", (context) => {
  const { root, read, write } = project(context);
  const text = (file: string) => readFileSync(join(root, file), "utf8");
  const own = {
    TZ: "Europe/Berlin",
    LMSTUDIO_BASE_URL: "http://192.0.2.10:1234",
    OPENAI_BASE_URL: "https://openrouter.example/api/v1",
    AWS_DEFAULT_REGION: "eu-central-1",
    HTTPS_PROXY: "http://proxy.example:3128",
    NO_PROXY: "localhost,127.0.0.1,collector,postgres",
    LETTA_UVICORN_WORKERS: "2",
    LETTA_PG_POOL_SIZE: "40",
  } as const;
  const secret = { E2B_API_KEY: "placeholder", AWS_ACCESS_KEY_ID: "placeholder" } as const;
  const lines = (values: object) =>
    Object.entries(values)
      .map(([name, value]) => `${name}=${value}\n`)
      .join("");
  write("env/dev.env", text("env/dev.env") + lines(own));
  write("env/dev.secrets.env", secrets + lines(secret));
  const settings = read("dev");
  for (const [name, value] of Object.entries({ ...own, ...secret })) {
    assert.equal(settings.get(name as SettingName), value);
  }
  assert.deepEqual(
    Object.keys(secret).filter((name) => !settings.secrets.has(name as SettingName)),
    [],
  );
});

test("a shell's proxy or cloud profile does not reach the server", (context) => {
  const { root, write } = project(context);
  write("env/dev.secrets.env", secrets);
  const shell = { HTTPS_PROXY: "http://proxy.example:3128", AWS_PROFILE: "mine" };
  const { counted } = countedEnvironment("dev", shell, []);
  const settings = readSettings({ environment: "dev", root, processEnvironment: counted });
  assert.equal(settings.has("HTTPS_PROXY"), false);
  assert.equal(settings.has("AWS_PROFILE"), false);
});

test("a typo is reported with the nearest name, an owned one with what to set instead", (context) => {
  const { root, refusal, write } = project(context);
  const text = (file: string) => readFileSync(join(root, file), "utf8");
  write("env/dev.env", text("env/dev.env") + "OPENROUTER_API_KEI=x\nLETTA_SERVER_SECURE=true\n");
  const details = refusal("dev", {}).details.join("\n");
  assert.match(details, /dev\.env:\d+: OPENROUTER_API_KEI: .*OPENROUTER_API_KEY/u);
  assert.match(details, /dev\.env:\d+: LETTA_SERVER_SECURE: .*SECURE/u);
});

test("a model on loopback is refused with the address that works", () => {
  for (const name of ["OLLAMA_BASE_URL", "OPENAI_BASE_URL", "LMSTUDIO_BASE_URL"] as const) {
    const { schema } = settingDefinitions[name];
    for (const host of ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "LOCALHOST"]) {
      const { issues } = safeParse(schema, `http://${host}:11434/v1`);
      assert.match(issues?.[0].message ?? "", /host\.docker\.internal/u, `${name} at ${host}`);
    }
    for (const host of ["host.docker.internal", "127.example.com", "localhost.example.com"]) {
      assert.ok(safeParse(schema, `http://${host}:11434`).success, host);
    }
  }
});

test("no variable is both passed and owned", () => {
  const names: readonly string[] = Object.keys(settingDefinitions);
  const both = Object.keys(ownedVariables).filter((name) => names.includes(name));
  assert.deepEqual(both, []);
  assert.ok(Object.keys(serverVariables).length > 130);
});

test("every variable of the server is part of a release", () => {
  const names = Object.keys(serverVariables) as SettingName[];
  assert.deepEqual(names.filter(isOwnSetting), []);
  assert.ok(isOwnSetting("SERVER_TIMEOUT"));
});
