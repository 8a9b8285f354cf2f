import { resolve } from "node:path";
import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { checkSettings, passwordOf } from "./checkSettings.ts";
import { assertNoFaults } from "./envFile.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { gatherLayers, type SecretsText } from "./gatherLayers.ts";
import {
  isSettingName,
  settingDefinitions,
  type SettingName,
  shownValue,
} from "./settingDefinitions.ts";

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

/** What a name in `${NAME}` stands for: "" for one that is declared and not set. */
export type Lookup = (name: string) => { value: string; secret: boolean } | undefined;

/**
 * Writes settings into a text in place of `${NAME}`. A secret stays as it is, for the
 * program that reads the text to take from its own environment; so does `$$`. Any other
 * value has its `$` doubled, which Compose and the collector both read as one.
 * @param unknown collects the names that no setting declares, and every other form of `$`:
 *   Compose would fill `$NAME` or `${NAME:-x}` from its process environment
 */
export function fillSettings(text: string, lookup: Lookup, unknown: Set<string>): string {
  return text.replace(
    /\$\$|\$\{([A-Z][A-Z0-9_]*)\}|\$\{?[\w:?-]*/g,
    (whole, name: string | undefined) => {
      if (whole === "$$") return whole;
      if (name === undefined) {
        unknown.add(whole);
        return whole;
      }
      const found = lookup(name);
      if (found === undefined) unknown.add(name);
      return found?.secret ? whole : (found?.value ?? "").replaceAll("$", "$$$$");
    },
  );
}

export interface Explanation {
  readonly name: SettingName;
  readonly description: string;
  readonly expected: string;
  readonly layers: readonly LayerOfSetting[];
}

/**
 * Why a setting is what it is: its declaration, and every layer that set it.
 * @throws Problem USAGE when there is no setting of that name, with the nearest one
 */
export function explainSetting(settings: Pick<Settings, "layers">, name: string): Explanation {
  if (!isSettingName(name)) {
    const meant = didYouMean(name, Object.keys(settingDefinitions));
    const hint = meant ? `; did you mean ${meant}?` : "";
    throw new Problem(
      "USAGE",
      `expected the name of a setting, got ${JSON.stringify(name)}${hint}`,
    );
  }
  const { description, expected } = settingDefinitions[name];
  return { name, description, expected, layers: settings.layers(name) };
}

/**
 * The settings that are missing only because the process environment does not count: with one of these named
 * by --from-env, less is missing.
 * @param ignored names of settings that the process environment has in vain
 * @param read the settings, whatever is missing, with this name counted too
 * @returns none where the settings cannot be read for another reason
 */
export function ignoredCures(
  ignored: readonly string[],
  read: (name?: string) => Pick<Settings, "missing">,
): string[] {
  if (ignored.length === 0) return [];
  const missing = (name?: string) => {
    try {
      return read(name).missing.length;
    } catch (error) {
      if (error instanceof Problem) return Infinity;
      throw error;
    }
  };
  const now = missing();
  if (now === 0 || now === Infinity) return [];
  return ignored.filter((name) => missing(name) < now);
}

/**
 * The name by which the proxy's certificate is judged from here. None for one that its own CA
 * made, nor for one of one's own, whose authority this machine need not know.
 */
export function certifiedName(settings: Settings): string | undefined {
  if (settings.has("PROXY_CERT_FILE")) return undefined;
  return settings.get("PROXY_DOMAIN") || undefined;
}
