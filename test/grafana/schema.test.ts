// The dashboards against the types that Grafana publishes of its own schema: each is written
// into a program and compiled, which finds a key that is not there as well as a value that is
// none of those allowed.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { defaultDashboard } from "@grafana/schema";
import { exampleValues, root } from "../stack/exampleStack.ts";
import { dashboardFiles } from "./dashboardFiles.ts";

const folder = mkdtempSync(join(tmpdir(), "grafana-schema-"));
after(() => rmSync(folder, { recursive: true }));

const schema = JSON.stringify(join(import.meta.dirname, "dashboardSchema.ts"));

/** The compiler's complaints about a dashboard. */
function complaints(dashboard: unknown): string[] {
  const program = `import type { DashboardSchema } from ${schema};
export const dashboard: DashboardSchema = ${JSON.stringify(dashboard, null, 1)};
`;
  writeFileSync(join(folder, "dashboard.mts"), program);
  const settings = { extends: join(root, "tsconfig.json"), include: [], files: ["dashboard.mts"] };
  const own = { types: [], noUnusedLocals: false };
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ ...settings, compilerOptions: own }),
  );
  const compiler = join(root, "node_modules", ".bin", "tsc");
  const ran = spawnSync(compiler, ["-p", folder], { encoding: "utf8" });
  assert.ok(ran.status === 0 || ran.stdout !== "", ran.stderr);
  return ran.stdout.split("\n").filter(Boolean);
}

const files = [...dashboardFiles];

for (const [file, dashboard] of files) {
  test(`${file} keeps to Grafana's own schema`, () => {
    assert.deepEqual(complaints(dashboard), []);
  });
}

/** What someone could get wrong, and what the compiler is to name. */
const spoilt: readonly [about: string, from: string, to: string, named: RegExp][] = [
  ["an unknown key", '"schemaVersion"', '"schemeVersion"', /schemeVersion/],
  ["an unknown option of a panel", '"showLegend"', '"showsLegend"', /showsLegend/],
  ["a value that is none of those allowed", '"drawStyle":"line"', '"drawStyle":"lines"', /"lines"/],
  ["an unknown kind of panel", '"type":"timeseries"', '"type":"graph"', /"graph"/],
  ["a query without its text", '"rawSql"', '"rawQuery"', /rawQuery/],
];

for (const [about, from, to, named] of spoilt) {
  test(`${about} is found`, () => {
    const text = JSON.stringify(dashboardFiles.get("server.json"));
    const changed = text.replace(from, to);
    assert.notEqual(changed, text);
    assert.match(complaints(JSON.parse(changed)).join("\n"), named);
  });
}

test("the schema is that of the Grafana in the stack, and the dashboards are of its version", () => {
  const manifest = join(root, "node_modules", "@grafana", "schema", "package.json");
  const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
  assert.equal(exampleValues("dev").get("GRAFANA_IMAGE"), `grafana/grafana:${version}`);
  for (const [file, { schemaVersion }] of files) {
    assert.equal(schemaVersion, defaultDashboard.schemaVersion, file);
  }
});
