import { createHash } from "node:crypto";
import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { checkSettings } from "./checkSettings.ts";
import { assertNoFaults, type Fault, parseEnvFile, writeAssignment } from "./envFile.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { gatherLayers, type SecretsText } from "./gatherLayers.ts";
import { openSecretsFile, type SecretsFile, type SecretsPlace } from "./secretsFile.ts";
import { isSettingName, settingDefinitions, type SettingName } from "./settingDefinitions.ts";

export interface InitSecretsInput extends SecretsPlace {
  /** Cryptographic random bytes. */
  readonly random: (bytes: number) => Buffer;
  /** "2026-11-21", to be noted above what is generated. */
  readonly day: string;
}

/** What became of a secrets file. */
export interface InitializedSecrets {
  readonly file: string;
  readonly created: boolean;
  readonly generated: SettingName[];
  /** What only a person can fill in. */
  readonly missing: SettingName[];
}

/**
 * Creates an environment's secrets file, or adds to it what it lacks, sealed or plain: a
 * made-up value for every secret that can be made up. What the file says stays, comments
 * included.
 * @throws Problem SETTINGS_INVALID when the file is there and cannot be read; it stays as it is
 */
export async function initSecrets(input: InitSecretsInput): Promise<InitializedSecrets> {
  const { environment, root, random, day } = input;
  const opened = await openSecretsFile(input);
  const { file, text: before = headOf(environment) } = opened;
  assertNoFaults(environment, parseEnvFile(before, file).faults, [file]);

  const layers = gatherLayers(environment, root, input.processEnvironment, { file, text: before });
  const get = (name: SettingName) => layers.winner(name)?.value ?? "";
  const names = Object.keys(settingDefinitions) as SettingName[];
  const given = new Set(parseEnvFile(before, file).assignments.map(({ name }) => name));
  const generated = names.filter(
    (name) =>
      settingDefinitions[name].generated !== undefined &&
      !given.has(name) &&
      isOurSecret(name, get),
  );
  const missing = names.filter(
    (name) =>
      settingDefinitions[name].required?.includes(environment) &&
      !generated.includes(name) &&
      !get(name),
  );
  const created = opened.text === undefined;
  if (created || generated.length > 0) {
    const text = generated.reduce(
      (so, name) => writeAssignment(so, name, madeSecret(random)),
      before,
    );
    try {
      await opened.write(noteDates(before, text, day));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // Another process wrote it since the look-up: its text is retained and extended.
      return initSecrets(input);
    }
  }
  return { file, created, generated, missing };
}

function headOf(environment: string): string {
  return (
    `# Secrets of ${environment}: not in git, readable by their owner alone. Keep a copy in a\n` +
    "# safe place. What else may stand here: env/secrets.example.env\n"
  );
}

/**
 * Writes one value into the secrets file, where it is usable.
 * @param opened the file as it was read
 * @param day "2026-11-21", to be noted above it
 * @throws Problem USAGE for a name that is not declared or a value no env file can hold,
 *   SETTINGS_INVALID for a value that will not do; then the file stays as it is
 */
export async function setSecret(
  place: SecretsPlace,
  opened: SecretsFile,
  { name, value, day }: { readonly name: string; readonly value: string; readonly day: string },
): Promise<SecretsFile> {
  const { file, text: before = "" } = opened;
  if (!isSettingName(name)) throw new Problem("USAGE", unknown(name));
  const text = writeAssignment(before, name, value);
  checkSecretsText(place, { file, text }, name);
  return opened.write(noteDates(before, text, day));
}

/** A value typed as NAME=value must not appear in a log. */
function unknown(name: string): string {
  if (name.includes("=")) return "expected the name alone, got a value in the command line";
  const meant = didYouMean(name, Object.keys(settingDefinitions));
  return `expected the name of a setting, got ${JSON.stringify(name)}${meant ? `; did you mean ${meant}?` : ""}`;
}

/** A secret by its name and age, never its value. */
export interface ListedSecret {
  readonly name: SettingName;
  readonly state: "set" | "empty" | "missing";
  /** Days since it was set; null where it was not noted, or it was changed by hand since. */
  readonly days: number | null;
}

/**
 * The secrets a file holds, and the required ones that no layer sets.
 * @param today "2026-11-21"
 * @throws Problem SETTINGS_INVALID for a text that cannot be read
 */
export function listSecrets(
  place: SecretsPlace,
  secrets: SecretsText,
  today: string,
): ListedSecret[] {
  const { environment, root, processEnvironment } = place;
  const { assignments, faults } = parseEnvFile(secrets.text, secrets.file);
  assertNoFaults(environment, faults, [secrets.file]);
  const dates = secretDates(secrets.text);
  const listed = assignments.flatMap(({ name, value }): ListedSecret[] => {
    if (!isSettingName(name) || !settingDefinitions[name].secret) return [];
    const day = dates.get(name);
    const days = day === undefined ? null : daysBetween(day, today);
    return [{ name, state: value === "" ? "empty" : "set", days: value === "" ? null : days }];
  });
  const layers = gatherLayers(environment, root, processEnvironment, secrets);
  const get = (name: SettingName) => layers.winner(name)?.value ?? "";
  const missing = (Object.keys(settingDefinitions) as SettingName[]).filter((name) => {
    const { secret, required, generated } = settingDefinitions[name];
    const isNeeded = required?.includes(environment) || generated !== undefined;
    return secret && isNeeded && isOurSecret(name, get) && layers.all(name).length === 0;
  });
  return [...listed, ...missing.map((name) => ({ name, state: "missing" as const, days: null }))];
}

function daysBetween(from: string, to: string): number {
  return Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000));
}

/**
 * Judges a secrets file that is not written yet, by the declarations and together with the
 * other files. A setting that is not set yet is no fault here.
 * @param only a setting's name, where the rest of the file is not checked
 * @throws Problem SETTINGS_INVALID with everything that is wrong in it, each with its line
 */
export function checkSecretsText(place: SecretsPlace, secrets: SecretsText, only?: string): void {
  const { environment, root, processEnvironment } = place;
  // A secret that the shell sets would hide what the file says.
  const shell = Object.entries(processEnvironment).filter(
    ([name]) => !isSettingName(name) || !settingDefinitions[name].secret,
  );
  const layers = gatherLayers(environment, root, Object.fromEntries(shell), secrets);
  const isOurs = ({ file, text, missing }: Fault) =>
    missing === undefined &&
    (only === undefined ? file === secrets.file : text.startsWith(`${only}: `));
  const faults = [...layers.faults, ...checkSettings(environment, layers)].filter(isOurs);
  assertNoFaults(environment, faults, layers.places);
}

const note = /^# set (\d{4}-\d\d-\d\d) \(check ([0-9a-f]{8})\)\r?$/u;

/**
 * When each secret of a file was set, by the comments that `noteDates` wrote. One that was
 * changed by hand since is left out: its comment belongs to another value.
 * @returns days such as "2026-11-21"
 */
export function secretDates(text: string): ReadonlyMap<string, string> {
  const lines = text.split("\n");
  const dates = parseEnvFile(text, "").assignments.flatMap(({ name, value, line }) => {
    const [, day = "", found = ""] = note.exec(lines[line - 2] ?? "") ?? [];
    return found !== "" && found === check(name, value) ? [[name, day] as const] : [];
  });
  return new Map(dates);
}

/**
 * Notes the day above every assignment whose value is another one than before.
 * @param day "2026-11-21"
 */
export function noteDates(before: string, text: string, day: string): string {
  const previous = new Map(
    parseEnvFile(before, "").assignments.map((one) => [one.name, one.value]),
  );
  const lines = text.split("\n");
  // From the last to the first, so that the lines still to come keep their numbers.
  for (const { name, value, line } of parseEnvFile(text, "").assignments.toReversed()) {
    if (previous.get(name) === value || value === "") continue;
    const isNoted = note.test(lines[line - 2] ?? "");
    const said = `# set ${day} (check ${check(name, value)})`;
    lines.splice(isNoted ? line - 2 : line - 1, isNoted ? 1 : 0, said);
  }
  return lines.join("\n");
}

/** Stands next to the value itself, so it gives nothing away that is not there already. */
function check(name: string, value: string): string {
  return createHash("sha256").update(`${name}=${value}`).digest("hex").slice(0, 8);
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const generatedLength = 40;

/**
 * A secret of 40 letters and digits. Each is as likely as any other: bytes past the last
 * full round are dropped.
 * @param random cryptographic random bytes
 */
export function madeSecret(random: (bytes: number) => Buffer): string {
  const fair = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < generatedLength) {
    for (const byte of random(generatedLength)) {
      if (byte < fair && text.length < generatedLength) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}

/** Whether the part that a password belongs to is in the stack at all. */
function isOurSecret(name: SettingName, get: (name: SettingName) => string): boolean {
  if (name === "LETTA_PG_PASSWORD") return get("LETTA_PG_URI") === "";
  if (name.startsWith("CLICKHOUSE_")) return get("CLICKHOUSE_MODE") === "bundled";
  return !name.startsWith("GRAFANA_") || get("GRAFANA_ENABLED") === "true";
}

/** How a secret is given a new value. */
export interface Rotation {
  readonly name: SettingName;
  /** "database": the live database has to learn it first; "file": a recreated container takes it. */
  readonly means: "database" | "file";
  /** Parts with data that take it only when they are made anew; their data stays. */
  readonly recreates: readonly string[];
}

type Get = (name: SettingName) => string;

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
  const { fixed, generated } = settingDefinitions[name];
  if (fixed !== undefined) {
    const [why, next] = fixed;
    const command = `npm run secrets -- ${next} ${environment}${next === "set" ? ` ${name}` : ""}`;
    throw refuse(why, command, generated === "key" ? "KEY_CHANGED" : "USAGE");
  }
  if (generated === undefined || !isOurSecret(name, get)) {
    const set = name === "LETTA_PG_PASSWORD" ? "LETTA_PG_URI" : name;
    const why = "others issue it: have them make a new one, then set it here";
    throw refuse(why, `npm run secrets -- set ${environment} ${set}`);
  }
  if (name === "LETTA_PG_PASSWORD") return { name, means: "database", recreates: [] };
  return { name, means: "file", recreates: name.startsWith("CLICKHOUSE_") ? ["clickhouse"] : [] };
}
