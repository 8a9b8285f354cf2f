import { didYouMean } from "../common/didYouMean.ts";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { derivedDefaults } from "./derivedDefaults.ts";
import { isSettingName } from "./isSettingName.ts";
import type { Fault } from "./parseEnvFile.ts";
import { type Layer, readLayer } from "./readLayer.ts";
import { type SecretsText, secretsLayer } from "./secretsLayer.ts";
import { ownedVariables } from "./serverVariables.ts";
import { shownValue } from "./shownValue.ts";

/** A value and the place that set it; line 0 where a place has no lines. */
export interface Placed {
  readonly value: string;
  readonly file: string;
  readonly line: number;
  /** The place as it is shown: file:line, or just its name. */
  readonly origin: string;
}

/** All that the layers say, before anything is judged but its form. */
export interface Layers {
  /** Every place that set a setting, lowest first. */
  all(name: SettingName): readonly Placed[];
  /** The place that counts; its value may be empty. */
  winner(name: SettingName): Placed | undefined;
  /** The file that secrets belong into. */
  readonly secretsFile: string;
  /** All places, lowest first: the order in which faults are reported. */
  readonly places: readonly string[];
  readonly faults: readonly Fault[];
}

const processPlace = "process environment";

/**
 * Reads every layer of an environment and keeps what each says about each declared setting.
 * @param processEnvironment what of it counts; see `countedEnvironment`
 * @param secrets the text of the secrets file, where it was sealed or is not written yet
 */
export function gatherLayers(
  environment: EnvironmentName,
  root: string,
  processEnvironment: Readonly<Record<string, string | undefined>>,
  secrets?: SecretsText,
): Layers {
  const files = [
    readLayer(root, "env/common.env"),
    readLayer(root, `env/${environment}.env`),
    secretsLayer(root, environment, secrets),
  ];
  const said = new Map<SettingName, Placed[]>();
  const reporter = (name: SettingName, value: string, file: string, line: number) => {
    const origin = line === 0 ? file : `${file}:${line}`;
    said.set(name, [...(said.get(name) ?? []), { value, file, line, origin }]);
  };
  reporter("STACK_PROJECT", `letta-${environment}`, "default", 0);
  reporter("STATE_DIR", ".stack", "default", 0);
  for (const { name, value, file, line } of files.flatMap((layer) => layer.assignments)) {
    if (isSettingName(name)) reporter(name, value, file, line);
  }
  for (const name of Object.keys(settingDefinitions) as SettingName[]) {
    const value = processEnvironment[name];
    if (value !== undefined) reporter(name, value, processPlace, 0);
  }
  const all = (name: SettingName) => said.get(name) ?? [];
  const winner = (name: SettingName) => {
    const [lowest] = all(name);
    const highest = all(name).at(-1);
    // Unset, a setting falls back to its default where it has one.
    return highest?.value === "" && lowest?.file === "default" ? lowest : highest;
  };
  for (const [name, value] of derivedDefaults((one) => winner(one)?.value ?? "")) {
    said.set(name, [{ value, file: "default", line: 0, origin: "default" }, ...all(name)]);
  }
  return {
    all,
    winner,
    secretsFile: files[2]!.file,
    places: ["default", ...files.map((layer) => layer.file), processPlace],
    faults: files.flatMap((layer) => [...layer.faults, ...misplaced(layer, environment)]),
  };
}

/** Unknown names, and secrets where git would store them. */
function misplaced(layer: Layer, environment: EnvironmentName): Fault[] {
  return layer.assignments.flatMap(({ name, value, file, line }) => {
    const instead = ownedVariables[name];
    if (instead !== undefined) {
      return [{ file, line, text: `${name}: expected to be left to the stack; ${instead}` }];
    }
    if (!isSettingName(name)) {
      const meant = didYouMean(name, Object.keys(settingDefinitions));
      const hint = meant ? `; did you mean ${meant}?` : "";
      const text = `${name}: expected a setting this project has, got an unknown name${hint}`;
      return [{ file, line, text }];
    }
    if (layer.secret || !settingDefinitions[name].secret || value === "") return [];
    const expected = `a secret in env/${environment}.secrets.env, not in a committed file`;
    const got = shownValue(value, settingDefinitions[name]);
    return [{ file, line, text: `${name}: expected ${expected}, got ${got}` }];
  });
}
