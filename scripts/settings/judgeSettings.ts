import { safeParse } from "valibot";
import { declarations, type SettingName } from "./declarations.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { Layers, Placed } from "./gatherLayers.ts";
import { judgeSecret } from "./judgeSecret.ts";
import type { Fault } from "./parseEnvFile.ts";
import { passwordOf } from "./passwordOf.ts";
import { rules } from "./rules.ts";
import { shownValue } from "./shownValue.ts";

/** A shorter text is found in many a value by chance. */
const shortestStray = 6;
/** U+FFFD is what bytes that are no text have become on their way here. */
const untransportable = /[^\P{Cc}\t]|\ufffd/u;

/** Judges the values that won: each by itself, then the rules between them. Finds all faults. */
export function judgeSettings(environment: EnvironmentName, layers: Layers): Fault[] {
  const names = Object.keys(declarations) as SettingName[];
  const secrets = secretsIn(layers, names);
  // A secret that strayed into another setting is not shown there either.
  const shown = (name: SettingName, { value }: Placed) =>
    shownValue(value, {
      secret: declarations[name].secret === true || secrets.some((one) => value.includes(one)),
    });
  const homeOf = (name: SettingName) =>
    declarations[name].secret ? layers.secretsFile : `env/${environment}.env`;
  const single = names.flatMap((name) => {
    const placed = layers.winner(name);
    const text = placed?.value
      ? judgeValue(name, placed.value, shown(name, placed), environment)
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

function judgeValue(
  name: SettingName,
  value: string,
  shown: string,
  environment: EnvironmentName,
): string | undefined {
  const declared = declarations[name];
  if (untransportable.test(value)) {
    return `expected one line of text without control characters, got ${shown}`;
  }
  const { issues } = safeParse(declared.schema, value);
  if (issues) {
    const reason = issues.find((issue) => issue.message !== "")?.message;
    return `expected ${declared.expected}, got ${shown}${reason ? `; ${reason}` : ""}`;
  }
  if (!declared.secret) return undefined;
  const secret = name === "LETTA_PG_URI" ? (passwordOf(value)[0] ?? "") : value;
  const weak = judgeSecret(secret, environment);
  return weak && `expected ${weak.expected}, got ${weak.got}`;
}

function secretsIn(layers: Layers, names: readonly SettingName[]): string[] {
  return names
    .filter((name) => declarations[name].secret)
    .flatMap((name) => layers.all(name).flatMap(({ value }) => [value, ...passwordOf(value)]))
    .filter((secret) => secret.length >= shortestStray);
}

function judgeNone(name: SettingName, environment: EnvironmentName): string | undefined {
  const { required, expected } = declarations[name];
  if (!required?.includes(environment)) return undefined;
  return `expected ${expected}, got nothing${remedy(name, "nothing", environment)}`;
}

function remedy(name: SettingName, got: string, environment: EnvironmentName): string {
  const makeable = got === "nothing" && declarations[name].generated !== undefined;
  return makeable ? `; npm run secrets -- init ${environment}` : "";
}

/** What nobody set is told at the file it belongs into. */
function faultAt(name: SettingName, text: string, placed: Placed | undefined, home: string): Fault {
  return { file: placed?.file ?? home, line: placed?.line ?? 0, text: `${name}: ${text}` };
}
