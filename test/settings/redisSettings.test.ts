import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { byteSize } from "../../scripts/common/units.ts";
import type { SettingName } from "../../scripts/settings/settingDefinitions.ts";
import { project } from "./project.ts";

const secrets = "LETTA_PG_PASSWORD=kR7mQ2vX9bT4nL6w\nLETTA_SERVER_PASSWORD=uT5pW8zE3cH1\n";

function withValues(context: TestContext, values: Partial<Record<SettingName, string>>) {
  const found = project(context);
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  const path = join(found.root, "env/dev.env");
  found.write("env/dev.secrets.env", secrets);
  found.write("env/dev.env", readFileSync(path, "utf8") + lines.join(""));
  return found;
}

test("Redis keeps half of its memory for more than its data", (context) => {
  for (const memory of ["64m", "256m", "2g"]) {
    const data = withValues(context, { REDIS_MEMORY: memory }).read("dev").get("REDIS_MAXMEMORY");
    assert.equal(byteSize(data), byteSize(memory) / 2);
  }
});

test("a Redis outside is a host that the server's container reaches", (context) => {
  for (const host of ["redis.example", "192.0.2.7", "fd00::7", "host.docker.internal"]) {
    const settings = withValues(context, { LETTA_REDIS_HOST: host, LETTA_REDIS_PORT: "6380" });
    assert.equal(settings.read("dev").get("LETTA_REDIS_HOST"), host);
  }
  for (const host of [
    "redis://redis.example",
    "redis.example:6379",
    "u@redis.example",
    "localhost",
  ])
    assert.match(
      withValues(context, { LETTA_REDIS_HOST: host }).refusal("dev").details.join("\n"),
      /LETTA_REDIS_HOST: expected a host name .* without password.*LETTA_REDIS_PORT/,
      host,
    );
});

test("what would start no Redis, or one that the kernel ends, is refused", (context) => {
  const refused = (values: Partial<Record<SettingName, string>>) =>
    withValues(context, values).refusal("dev").details.join("\n");
  assert.match(refused({ LETTA_REDIS_PORT: "6380" }), /LETTA_REDIS_HOST: expected a value/);
  assert.match(refused({ REDIS_IMAGE: "" }), /REDIS_IMAGE: expected a value/);
  const tooMuch = refused({ REDIS_MEMORY: "128m", REDIS_MAXMEMORY: "128m" });
  assert.match(tooMuch, /REDIS_MAXMEMORY: expected less than REDIS_MEMORY \(128m\), got 128m/);
  const off = withValues(context, { REDIS_ENABLED: "false", REDIS_IMAGE: "" }).read("dev");
  assert.equal(off.get("REDIS_ENABLED"), "false");
});
