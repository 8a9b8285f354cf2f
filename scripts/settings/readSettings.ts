import { resolve } from "node:path";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { Lookup } from "./fillSettings.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { isSettingName } from "./isSettingName.ts";
import { checkSettings } from "./checkSettings.ts";
import { passwordOf } from "./passwordOf.ts";
import { assertNoFaults } from "./assertNoFaults.ts";
import type { SecretsText } from "./secretsLayer.ts";
import { shownValue } from "./shownValue.ts";

export type { SettingName };

/** One place that set a setting; `value` is as it may be shown. */
export interface LayerOfSetting {
  readonly origin: string;
  readonly value: string;
  readonly wins: boolean;
}

export interface Settings {
  readonly environment: EnvironmentName;
  /** The project's directory. */
  readonly root: string;
  /** Absolute; each environment has a directory of its own in it. */
  readonly stateDir: string;
  /** The name of the Compose project. */
  readonly project: string;
  /** The value, "" where it is unset. */
  get(name: SettingName): string;
  has(name: SettingName): boolean;
  /** "env/dev.env:12", "process environment", "default", or "" where no layer set it. */
  origin(name: SettingName): string;
  /** Every layer that set it, lowest first. */
  layers(name: SettingName): readonly LayerOfSetting[];
  readonly secrets: ReadonlyMap<SettingName, string>;
  /** The file that secrets belong into, below the root: "env/prod.secrets.env", or sealed. */
  readonly secretsFile: string;
  /** All texts to mask in output: the secrets, and the password within a database URI. */
  sensitive(): readonly string[];
  /** A setting's text for `${NAME}`; one that is missing stays `${NAME}`, as a secret does. */
  readonly lookup: Lookup;
  /** What is required and not set yet; empty unless that was tolerated. */
  readonly missing: readonly SettingName[];
  /** What is set, by name; with the secrets' values. */
  entries(): { name: SettingName; value: string; origin: string; secret: boolean }[];
}

/**
 * Reads an environment's settings: env/common.env, env/<env>.env, env/<env>.secrets.env (or
 * the opened text of a sealed one) and the process environment, each over the one before. An empty value unsets what lower layers say.
 * @param asked.mayMiss tolerates settings that are not set yet: for looking, not for running
 * @param asked.secrets the text of the secrets file where it is sealed (`openSecrets`)
 * @throws Problem SETTINGS_INVALID with everything that is wrong, each with its place
 */
export function readSettings(input: {
  environment: EnvironmentName;
  root: string;
  processEnvironment: Readonly<Record<string, string | undefined>>;
  mayMiss?: boolean;
  secrets?: SecretsText | undefined;
}): Settings {
  const { environment, root } = input;
  const layers = gatherLayers(environment, root, input.processEnvironment, input.secrets);
  const faults = [...layers.faults, ...checkSettings(environment, layers)];
  const missing = faults.flatMap((fault) => (fault.missing ? [fault.missing as SettingName] : []));
  const tolerated = input.mayMiss ? faults.filter((fault) => !fault.missing) : faults;
  assertNoFaults(environment, tolerated, layers.places);

  const get = (name: SettingName) => layers.winner(name)?.value ?? "";
  const names = (Object.keys(settingDefinitions) as SettingName[]).sort();
  const set = names.filter((name) => get(name) !== "");
  const isSecret = (name: SettingName) => settingDefinitions[name].secret === true;
  const origin = (name: SettingName) => layers.winner(name)?.origin ?? "";
  const secrets = new Map(set.filter(isSecret).map((name) => [name, get(name)]));
  return {
    environment,
    root,
    stateDir: resolve(root, get("STATE_DIR")),
    project: get("STACK_PROJECT"),
    get,
    has: (name) => get(name) !== "",
    origin,
    layers: (name) =>
      layers.all(name).map((one) => ({
        origin: one.origin,
        value: shownValue(one.value, settingDefinitions[name]),
        wins: one === layers.winner(name),
      })),
    secrets,
    secretsFile: layers.secretsFile,
    sensitive: () => [...secrets.values(), ...passwordOf(get("LETTA_PG_URI"))],
    lookup: (name) =>
      isSettingName(name)
        ? {
            value: get(name) || (missing.includes(name) ? "missing" : ""),
            secret: isSecret(name) || missing.includes(name),
          }
        : undefined,
    missing,
    entries: () =>
      set.map((name) => ({
        name,
        value: get(name),
        origin: origin(name),
        secret: isSecret(name),
      })),
  };
}
