import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { SettingName } from "../../scripts/settings/settingDefinitions.ts";
import { project } from "./project.ts";

const secrets = "LETTA_PG_PASSWORD=kR7mQ2vX9bT4nL6w\nLETTA_SERVER_PASSWORD=uT5pW8zE3cH1\n";

function withValues(context: TestContext, values: Partial<Record<SettingName, string>>) {
  const found = project(context);
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  found.write("env/dev.secrets.env", secrets);
  found.write(
    "env/dev.env",
    readFileSync(join(found.root, "env/dev.env"), "utf8") + lines.join(""),
  );
  return found;
}

test("two servers side by side and the tool fit into the database's connections", (context) => {
  for (const values of [
    {},
    { LETTA_UVICORN_WORKERS: "2" },
    { LETTA_UVICORN_WORKERS: "8" },
    { LETTA_PG_POOL_SIZE: "60" },
    { LETTA_UVICORN_WORKERS: "32" },
    { LETTA_PG_MAX_OVERFLOW: "50" },
    { LETTA_UVICORN_WORKERS: "2", LETTA_PG_POOL_SIZE: "40" },
    { POSTGRES_MAX_CONNECTIONS: "40" },
    { POSTGRES_MAX_CONNECTIONS: "300", LETTA_UVICORN_WORKERS: "4" },
  ]) {
    const settings = withValues(context, values).read("dev");
    const number = (name: SettingName) => Number(settings.get(name) || 1);
    const each = number("LETTA_PG_POOL_SIZE") + number("LETTA_PG_MAX_OVERFLOW");
    const all = 2 * number("LETTA_UVICORN_WORKERS") * each;
    assert.ok(all + 10 <= number("POSTGRES_MAX_CONNECTIONS"), `${JSON.stringify(values)}: ${all}`);
  }
});

test("a pool larger than the database allows is refused, with what would fit", (context) => {
  const { details } = withValues(context, {
    LETTA_PG_POOL_SIZE: "60",
    POSTGRES_MAX_CONNECTIONS: "100",
  }).refusal("dev");
  assert.match(details.join(), /LETTA_PG_POOL_SIZE: expected .* 45 at most.* got 61/);
});

test("a pool keeps the size that a person gave it", (context) => {
  const settings = withValues(context, { LETTA_PG_POOL_SIZE: "40" }).read("dev");
  assert.deepEqual(
    [settings.get("LETTA_PG_POOL_SIZE"), settings.get("LETTA_PG_MAX_OVERFLOW")],
    ["40", "10"],
  );
});

test("the database's memory settings follow its memory limit, and can be set", (context) => {
  const get = (values: Partial<Record<SettingName, string>>) => {
    const settings = withValues(context, values).read("dev");
    return [settings.get("POSTGRES_SHARED_BUFFERS"), settings.get("POSTGRES_MAINTENANCE_WORK_MEM")];
  };
  assert.deepEqual(get({ POSTGRES_MEMORY: "1g" }), ["256MB", "128MB"]);
  assert.deepEqual(get({ POSTGRES_MEMORY: "16g" }), ["4096MB", "2048MB"]);
  assert.deepEqual(get({ POSTGRES_SHARED_BUFFERS: "1GB" }), ["1GB", "128MB"]);
  const { details } = withValues(context, { POSTGRES_SHARED_BUFFERS: "1 gigabyte" }).refusal("dev");
  assert.match(details.join(), /POSTGRES_SHARED_BUFFERS: expected a size such as 256MB/);
});

test("an external database's connections are its owner's: Letta's own defaults stay", (context) => {
  const uri = "postgresql://letta:kR7mQ2vX9bT4nL6w@db.example/letta";
  const { read: settings, write } = project(context);
  write("env/dev.secrets.env", `LETTA_PG_URI=${uri}\n`);
  const found = settings("dev");
  assert.equal(found.has("LETTA_PG_POOL_SIZE"), false);
  assert.equal(found.has("LETTA_DISABLE_SQLALCHEMY_POOLING"), false);
});
