import { safeParse } from "valibot";
import type { Fault } from "./envFile.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { Layers, Placed } from "./gatherLayers.ts";
import { rules } from "./rules.ts";
import { settingDefinitions, type SettingName, shownValue } from "./settingDefinitions.ts";

/** Shorter ones cannot be distinguished from ordinary words where output is masked. */
const shortest = 8;

const stopgap =
  /^(?:<.*>|(?:change[-_ ]?(?:me|it|this)|letta|passw(?:or)?d|secret|example|placeholder|todo|tbd|x{3,}|your[-_ ].*)[-_ ]?\d*!*)$/iu;

/**
 * Whether a secret will do in an environment. dev takes any; development none too short
 * to be masked; staging and prod no stopgap either.
 * @returns what is expected and what was found, without the secret; undefined if it will do
 */
function checkSecret(
  secret: string,
  environment: EnvironmentName,
): { expected: string; got: string } | undefined {
  if (environment === "dev") return undefined;
  const guarded = environment !== "development";
  if (guarded && stopgap.test(secret.trim())) {
    return { expected: "a secret of its own", got: "a placeholder" };
  }
  const length = [...secret].length;
  if (length >= shortest) return undefined;
  return { expected: `${shortest} characters or more`, got: `a value of ${length} characters` };
}

/** A shorter text is found in many a value by chance. */
const shortestStray = 6;
/** U+FFFD is what bytes that are no text have become on their way here. */
const untransportable = /[^\P{Cc}\t]|\ufffd/u;

/** Judges the values that won: each by itself, then the rules between them. Finds all faults. */
export function checkSettings(environment: EnvironmentName, layers: Layers): Fault[] {
  const names = Object.keys(settingDefinitions) as SettingName[];
  const secrets = secretsIn(layers, names);
  // A secret that strayed into another setting is not shown there either.
  const shown = (name: SettingName, { value }: Placed) =>
    shownValue(value, {
      secret:
        settingDefinitions[name].secret === true || secrets.some((one) => value.includes(one)),
    });
  const homeOf = (name: SettingName) =>
    settingDefinitions[name].secret ? layers.secretsFile : `env/${environment}.env`;
  const single = names.flatMap((name) => {
    const placed = layers.winner(name);
    const text = placed?.value
      ? checkValue(name, placed.value, shown(name, placed), environment)
      : judgeNone(name, environment);
    if (text === undefined) return [];
    const fault = faultAt(name, text, placed, homeOf(name));
    return [placed?.value ? fault : { ...fault, missing: name }];
  });
  const facts = {
    environment,
    get: (name: SettingName) => layers.winner(name)?.value ?? "",
    origin: (name: SettingName) => layers.winner(name)?.origin ?? "",
  };
  const between = rules
    .flatMap((rule) => rule(facts))
    .map(({ name, expected, got }) => {
      const text = `expected ${expected}, got ${got}${remedy(name, got, environment)}`;
      const fault = faultAt(name, text, layers.winner(name), homeOf(name));
      return got === "nothing" ? { ...fault, missing: name } : fault;
    });
  return [...single, ...between];
}

function checkValue(
  name: SettingName,
  value: string,
  shown: string,
  environment: EnvironmentName,
): string | undefined {
  const defined = settingDefinitions[name];
  if (untransportable.test(value)) {
    return `expected one line of text without control characters, got ${shown}`;
  }
  const { issues } = safeParse(defined.schema, value);
  if (issues) {
    const reason = issues.find((issue) => issue.message !== "")?.message;
    return `expected ${defined.expected}, got ${shown}${reason ? `; ${reason}` : ""}`;
  }
  if (!defined.secret) return undefined;
  const secret = name === "LETTA_PG_URI" ? (passwordOf(value)[0] ?? "") : value;
  const weak = checkSecret(secret, environment);
  return weak && `expected ${weak.expected}, got ${weak.got}`;
}

function secretsIn(layers: Layers, names: readonly SettingName[]): string[] {
  return names
    .filter((name) => settingDefinitions[name].secret)
    .flatMap((name) => layers.all(name).flatMap(({ value }) => [value, ...passwordOf(value)]))
    .filter((secret) => secret.length >= shortestStray);
}

function judgeNone(name: SettingName, environment: EnvironmentName): string | undefined {
  const { required, expected } = settingDefinitions[name];
  if (!required?.includes(environment)) return undefined;
  return `expected ${expected}, got nothing${remedy(name, "nothing", environment)}`;
}

function remedy(name: SettingName, got: string, environment: EnvironmentName): string {
  const makeable = got === "nothing" && settingDefinitions[name].generated !== undefined;
  return makeable ? `; npm run secrets -- init ${environment}` : "";
}

/** A missing setting is reported at the file it belongs into. */
function faultAt(name: SettingName, text: string, placed: Placed | undefined, home: string): Fault {
  return { file: placed?.file ?? home, line: placed?.line ?? 0, text: `${name}: ${text}` };
}

/** The password within a database URI: a list of one, or of none. */
export function passwordOf(uri: string): string[] {
  const password = /^[a-z+]+:\/\/[^:/@]*:(.*)@/su.exec(uri)?.[1];
  return password ? [password] : [];
}
