import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { parse } from "yaml";
import { grafanaConfiguration, grafanaFiles } from "../../scripts/stack/grafanaConfiguration.ts";
import { checkStackRules } from "../../scripts/stack/stackRules.ts";
import type { ValueMap } from "../../scripts/stack/mergeSources.ts";
import { renderStack } from "../../scripts/stack/renderStack.ts";
import {
  bundledClickHouse,
  exampleFragments,
  exampleSecrets,
  root,
} from "../stack/exampleStack.ts";

const folder = mkdtempSync(join(tmpdir(), "grafana-compose-"));
after(() => rmSync(folder, { recursive: true }));

const values = {
  ...bundledClickHouse,
  GRAFANA_ENABLED: "true",
  GRAFANA_URL: "https://grafana.example.com/",
  GRAFANA_ADMIN_PASSWORD: "grafana-secret-8e2d",
};
const parts = exampleFragments("dev", values);
const configuration = grafanaConfiguration(root, parts.lookup);
const stack = renderStack({ ...parts, configs: new Map([...parts.configs, ...configuration]) });
const grafana = (stack.model["services"] as Record<string, ValueMap>)["grafana"]!;
const mounted = grafana["configs"] as { source: keyof typeof grafanaFiles; target: string }[];

test("a stack with Grafana breaks no stack rule", () => {
  assert.deepEqual(checkStackRules(stack), []);
});

test("every file of otel/grafana/ goes into the container, and nothing else does", () => {
  const folders = readdirSync(join(root, "otel", "grafana"), { recursive: true, encoding: "utf8" });
  const files = folders.filter((file) => /\.(json|yaml)$/.test(file)).sort();
  assert.deepEqual(Object.values(grafanaFiles).sort(), files);
  assert.deepEqual(mounted.map(({ source }) => source).sort(), Object.keys(grafanaFiles).sort());
});

test("each lies where Grafana or its provider of dashboards looks for it", () => {
  const { providers } = parse(configuration.get("grafana_dashboards")!) as {
    providers: [{ options: { path: string } }];
  };
  const folders = Object.groupBy(mounted, ({ target }) => target.replace(/\/[^/]+$/, ""));
  const found = Object.entries(folders).map(([path, list]) => [
    path,
    list!.map((one) => one.source),
  ]);
  assert.deepEqual(Object.fromEntries(found), {
    "/etc/grafana/provisioning/datasources": ["grafana_datasources"],
    "/etc/grafana/provisioning/dashboards": ["grafana_dashboards"],
    "/etc/grafana/provisioning/alerting": ["grafana_alerts"],
    [providers[0].options.path]: Object.keys(grafanaFiles).filter((name) =>
      name.startsWith("grafana_dashboard_"),
    ),
  });
});

test("Grafana's home is one of the dashboards that are mounted", () => {
  const home = (grafana["environment"] as ValueMap)["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"];
  assert.ok(mounted.some(({ target }) => target === home));
});

test("Compose hands over each file byte for byte, whatever dollars are in it", () => {
  const file = join(folder, "compose.yaml");
  writeFileSync(file, stack.text);
  const ran = spawnSync(
    "docker",
    ["compose", "--env-file", "/dev/null", "-f", file, "config", "--format", "json"],
    {
      encoding: "utf8",
      env: { PATH: process.env["PATH"], HOME: folder, ...exampleSecrets, ...values },
      maxBuffer: 2 ** 26,
    },
  );
  assert.equal(ran.status, 0, ran.stderr);
  const { configs } = JSON.parse(ran.stdout) as { configs: Record<string, { content: string }> };
  for (const [name, text] of configuration) {
    // What it prints is to be read by Compose once more.
    assert.equal(configs[name]!.content.replaceAll("$$", "$"), text, name);
  }
});

test("dashboards and alerts are as they stand in otel/grafana/, of Grafana's own dollars too", () => {
  for (const [name, file] of Object.entries(grafanaFiles)) {
    if (name === "grafana_datasources") continue;
    assert.equal(
      configuration.get(name),
      readFileSync(join(root, "otel", "grafana", file), "utf8"),
    );
  }
});

test("no password is in the rendered file or in Grafana's environment: they come as files", () => {
  for (const [name, value] of Object.entries(values)) {
    if (name.includes("PASSWORD")) assert.ok(!stack.text.includes(value), name);
  }
  assert.doesNotMatch(JSON.stringify(grafana["environment"]), /\$\{\w*PASSWORD/);
  const { grafana_admin_password, clickhouse_reader_password } = stack.model["secrets"] as ValueMap;
  assert.deepEqual(grafana_admin_password, { environment: "GRAFANA_ADMIN_PASSWORD" });
  assert.deepEqual(clickhouse_reader_password, { environment: "CLICKHOUSE_READER_PASSWORD" });
});

test("the variable that Grafana makes of the reader's password is the one the data source names", () => {
  const environment = grafana["environment"] as ValueMap;
  const named = /password: \$(\w+)$/m.exec(configuration.get("grafana_datasources")!)![1];
  assert.equal(environment[`${named}__FILE`], "/run/secrets/clickhouse_reader_password");
});
