import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lookup } from "../../scripts/settings/readSettings.ts";
import { passVariables } from "../../scripts/stack/renderStack.ts";

const model = {
  "x-app": { service: "server", migrate: "migrate" },
  services: {
    server: { environment: { TZ: "UTC", HOST: "0.0.0.0" } },
    migrate: {},
    postgres: { environment: {} },
  },
};

const lookupOf =
  (values: Record<string, string>): Lookup =>
  (name) => ({ value: values[name] ?? "", secret: name.endsWith("_KEY") });

const environments = (values: Record<string, string>) => {
  const { services } = passVariables(model, lookupOf(values));
  return services as Record<string, { environment?: Record<string, string> }>;
};

test("server and migrations get what is set, no one else does, and what is unset is left out", () => {
  const { server, migrate, postgres } = environments({ XAI_API_KEY: "x", TZ: "Europe/Berlin" });
  assert.deepEqual(migrate?.environment, { XAI_API_KEY: "${XAI_API_KEY}", TZ: "${TZ}" });
  assert.deepEqual(server?.environment, {
    XAI_API_KEY: "${XAI_API_KEY}",
    TZ: "UTC", // what the stack sets itself stays
    HOST: "0.0.0.0",
  });
  assert.deepEqual(postgres?.environment, {});
});

test("traffic within the stack goes past a proxy, whatever NO_PROXY says", () => {
  const proxy = { HTTPS_PROXY: "http://proxy.example:3128" };
  const without = environments(proxy)["migrate"]?.environment?.["NO_PROXY"];
  assert.match(without ?? "", /^localhost,.*postgres,collector/u);
  const own = environments({ ...proxy, NO_PROXY: "a.example" })["migrate"]?.environment;
  assert.match(own?.["NO_PROXY"] ?? "", /^\$\{NO_PROXY\},localhost,.*collector/u);
});
