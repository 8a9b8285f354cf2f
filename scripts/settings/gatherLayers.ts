import { existsSync } from "node:fs";
import { join } from "node:path";
import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { type Fault, parseEnvFile } from "./envFile.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { type Layer, readLayer } from "./readLayer.ts";
import { derivedDefaults } from "./rules.ts";
import { secretsPaths } from "./secretsKey.ts";
import { ownedVariables } from "./serverVariables.ts";
import {
  isSettingName,
  settingDefinitions,
  type SettingName,
  shownValue,
} from "./settingDefinitions.ts";

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

type ProcessEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * The process environment as far as it sets settings. In staging and prod a setting counts only if
 * it is named in `fromEnv`: a shell's HOST or a personal API key changes nothing there. In dev and
 * development every setting counts, except the variables that only the server reads: a shell's
 * proxy or time zone is meant for the shell. Names that are no settings (HOME, PATH) stay.
 * @param fromEnv the names given with --from-env
 * @returns what counts, and the names of settings that do not, though the operator may mean them to
 * @throws Problem USAGE with every name that is no setting, or that the process environment lacks
 */
export function countedEnvironment(
  environment: EnvironmentName,
  processEnvironment: ProcessEnvironment,
  fromEnv: readonly string[],
): { readonly counted: ProcessEnvironment; readonly ignored: readonly string[] } {
  const details = fromEnv.flatMap((name) => {
    if (!isSettingName(name)) {
      const meant = didYouMean(name, Object.keys(settingDefinitions));
      return [
        `${name}: expected a setting, got an unknown name${meant ? `; did you mean ${meant}?` : ""}`,
      ];
    }
    if (processEnvironment[name] !== undefined) return [];
    return [`${name}: expected a value in the process environment, got none`];
  });
  if (details.length > 0) {
    throw new Problem("USAGE", "--from-env names what cannot be taken", {
      details,
      next: `npm run settings -- ${environment}`,
    });
  }
  const isLocal = environment === "dev" || environment === "development";
  const isForShell = (name: string) =>
    isSettingName(name) && settingDefinitions[name].passed === true;
  const counts = (name: string) =>
    !isSettingName(name) || fromEnv.includes(name) || (isLocal && !isForShell(name));
  const set = Object.keys(processEnvironment).filter(
    (name) => processEnvironment[name] !== undefined,
  );
  return {
    counted: Object.fromEntries(set.filter(counts).map((name) => [name, processEnvironment[name]])),
    ignored: set.filter((name) => !counts(name) && !isForShell(name)).sort(),
  };
}

/** The text of a secrets file that was opened, or is about to be written. */
export interface SecretsText {
  /** Its path below the root, as faults name it. */
  readonly file: string;
  readonly text: string;
}

/**
 * The layer of an environment's secrets: the plain file, or the sealed one's opened text.
 * Both at once, and a sealed one that is not opened, are faults.
 * @param opened takes the place of what is on disk
 */
function secretsLayer(
  root: string,
  environment: EnvironmentName,
  opened: SecretsText | undefined,
): Layer {
  if (opened !== undefined) {
    const { file, text } = opened;
    const { assignments, faults } = parseEnvFile(text, file);
    const all = [...faults, ...pendingFaults(text, file, environment)];
    return { file, secret: true, present: true, text, assignments, faults: all };
  }
  const { plain, sealed } = secretsPaths(environment);
  const layer = readLayer(root, plain);
  if (existsSync(join(root, sealed))) {
    const text = layer.present
      ? `expected one secrets file, got ${sealed} next to it; npm run secrets -- seal ${environment}`
      : "expected to be opened with its key first, got a sealed file";
    const file = layer.present ? plain : sealed;
    return {
      file,
      secret: true,
      present: true,
      assignments: [],
      faults: [{ file, line: 0, text }],
    };
  }
  const pending = pendingFaults(layer.text ?? "", plain, environment);
  return { ...layer, faults: [...layer.faults, ...pending] };
}

/**
 * A new value that a rotation has made up and not yet verified stands in a comment above the
 * old one, so that a rotation that was interrupted knows both.
 */
const pending = /^# rotating ([A-Z][A-Z0-9_]*)=([A-Za-z0-9]+)$/u;

/** The new values of a rotation that has not ended, by their names. */
export function pendingSecrets(text: string): ReadonlyMap<string, string> {
  const found = text.split("\n").map((line) => pending.exec(line));
  return new Map(found.flatMap((one) => (one ? [[one[1] ?? "", one[2] ?? ""]] : [])));
}

/** The text with a rotation's new value noted above the old one; letters and digits alone. */
export function withPending(text: string, name: string, value: string): string {
  return `# rotating ${name}=${value}\n${text}`;
}

/** The text without any such note. */
export function withoutPending(text: string): string {
  const lines = text.split("\n");
  return lines.filter((line) => !pending.test(line)).join("\n");
}

/** Until a rotation that was interrupted is finished, either value may be right. */
function pendingFaults(text: string, file: string, environment: EnvironmentName): Fault[] {
  return text.split("\n").flatMap((line, at) => {
    const [, name = ""] = pending.exec(line) ?? [];
    if (name === "") return [];
    const next = `npm run secrets -- rotate ${environment} ${name}`;
    const found = `${name}: expected no rotation under way, got one that was interrupted; ${next}`;
    return [{ file, line: at + 1, text: found }];
  });
}
