import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentName } from "./environmentName.ts";
export function initSecrets(asked: { environment: EnvironmentName; root: string; random: (n: number) => Buffer }): { file: string; created: boolean; generated: string[]; missing: string[] } {
  const file = `env/${asked.environment}.secrets.env`; const path = join(asked.root, file);
  if (existsSync(path)) return { file, created: false, generated: [], missing: [] };
  const names = ["LETTA_PG_PASSWORD", "LETTA_ENCRYPTION_KEY", "LETTA_SERVER_PASSWORD"];
  writeFileSync(path, names.map((n) => `${n}=${asked.random(20).toString("hex")}\n`).join(""), { mode: 0o600 });
  return { file, created: true, generated: names, missing: [] };
}
