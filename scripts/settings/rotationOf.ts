import { Problem } from "../common/problem.ts";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { isOurSecret } from "./isOurSecret.ts";
import { isSettingName } from "./isSettingName.ts";

/** How a secret is given a new value. */
export interface Rotation {
  readonly name: SettingName;
  /** "database": the live database has to learn it first; "file": a recreated container takes it. */
  readonly means: "database" | "file";
  /** Parts with data that take it only when they are made anew; their data stays. */
  readonly recreates: readonly string[];
}

type Get = (name: SettingName) => string;

/** Why some of the secrets that were generated must not be made up anew, and what to do. */
const retained: Readonly<
  Record<string, (environment: EnvironmentName) => [why: string, next: string]>
> = {
  LETTA_ENCRYPTION_KEY: (environment) => [
    "it must never change: data that the server encrypted under it could not be read; keep a copy of its file",
    `npm run secrets -- list ${environment}`,
  ],
  GRAFANA_SECRET_KEY: (environment) => [
    "it must not change: Grafana could not read what it stored encrypted under it",
    `npm run secrets -- list ${environment}`,
  ],
  GRAFANA_ADMIN_PASSWORD: (environment) => [
    "Grafana takes it at its first start alone: change it in Grafana, then set it here",
    `npm run secrets -- set ${environment} GRAFANA_ADMIN_PASSWORD`,
  ],
};

/**
 * How a secret can be rotated here.
 * @param get the settings' values
 * @throws Problem USAGE where that is not ours to do, KEY_CHANGED where it must never be done;
 *   each with what to do instead
 */
export function rotationOf(environment: EnvironmentName, name: string, get: Get): Rotation {
  const refuse = (why: string, next: string, code: "USAGE" | "KEY_CHANGED" = "USAGE") =>
    new Problem(code, `${name}: ${why}`, { next });
  if (!isSettingName(name) || !settingDefinitions[name].secret) {
    throw refuse("expected the name of a secret", `npm run secrets -- list ${environment}`);
  }
  const words = retained[name]?.(environment);
  if (words !== undefined) {
    throw refuse(...words, name.endsWith("_KEY") ? "KEY_CHANGED" : "USAGE");
  }
  if (settingDefinitions[name].generated === undefined || !isOurSecret(name, get)) {
    const set = name === "LETTA_PG_PASSWORD" ? "LETTA_PG_URI" : name;
    const why = "others issue it: have them make a new one, then set it here";
    throw refuse(why, `npm run secrets -- set ${environment} ${set}`);
  }
  if (name === "LETTA_PG_PASSWORD") return { name, means: "database", recreates: [] };
  return { name, means: "file", recreates: name.startsWith("CLICKHOUSE_") ? ["clickhouse"] : [] };
}
