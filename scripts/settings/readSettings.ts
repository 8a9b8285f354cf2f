import { readFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { declarations, type SettingName } from "./declarations.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { Lookup } from "./fillSettings.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
export type { SettingName };
export interface Settings {
  readonly environment: EnvironmentName; readonly root: string; readonly stateDir: string; readonly project: string;
  get(name: SettingName): string; has(name: SettingName): boolean; origin(name: SettingName): string;
  readonly secrets: ReadonlyMap<SettingName, string>;
  readonly lookup: Lookup;
  entries(): { name: SettingName; value: string; origin: string; secret: boolean }[];
}
export function readSettings(asked: { environment: EnvironmentName; root: string; processEnvironment: Readonly<Record<string, string | undefined>> }): Settings {
  const values = new Map<string, { value: string; origin: string }>();
  for (const file of ["env/common.env", `env/${asked.environment}.env`, `env/${asked.environment}.secrets.env`]) {
    if (!existsSync(join(asked.root, file))) continue;
    for (const a of parseEnvFile(readFileSync(join(asked.root, file)), file).assignments) values.set(a.name, { value: a.value, origin: `${a.file}:${a.line}` });
  }
  for (const name of Object.keys(declarations)) { const v = asked.processEnvironment[name]; if (v !== undefined) values.set(name, { value: v, origin: "process environment" }); }
  const get = (name: string) => values.get(name)?.value ?? "";
  const secrets = new Map(Object.entries(declarations).filter(([n, d]) => d.secret && get(n) !== "").map(([n]) => [n as SettingName, get(n)]));
  return { environment: asked.environment, root: asked.root, stateDir: join(asked.root, get("STATE_DIR") || ".stack"), project: get("STACK_PROJECT") || `letta-${asked.environment}`,
    get, has: (n) => get(n) !== "", origin: (n) => values.get(n)?.origin ?? "", secrets,
    lookup: (n) => n in declarations ? { value: get(n), secret: declarations[n as SettingName].secret === true } : undefined,
    entries: () => [...values].map(([n, v]) => ({ name: n as SettingName, value: v.value, origin: v.origin, secret: secrets.has(n as SettingName) })) };
}
