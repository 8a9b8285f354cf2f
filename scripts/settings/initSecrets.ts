import { Problem } from "../common/problem.ts";
import { settingDefinitions, type SettingName } from "./settingDefinitions.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { isOurSecret } from "./isOurSecret.ts";
import { madeSecret } from "./madeSecret.ts";
import { openSecretsFile, type SecretsPlace } from "./openSecretsFile.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
import { assertNoFaults } from "./assertNoFaults.ts";
import { noteDates } from "./secretDates.ts";
import { writeAssignment } from "./writeAssignment.ts";

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
