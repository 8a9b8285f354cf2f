import { Problem } from "../common/problem.ts";
import { declarations, type SettingName } from "./declarations.ts";
import { gatherLayers } from "./gatherLayers.ts";
import { isOurSecret } from "./isOurSecret.ts";
import { madeSecret } from "./madeSecret.ts";
import { openSecretsFile, type SecretsPlace } from "./openSecretsFile.ts";
import { parseEnvFile } from "./parseEnvFile.ts";
import { refuseFaults } from "./refuseFaults.ts";
import { noteDates } from "./secretDates.ts";
import { writeAssignment } from "./writeAssignment.ts";

export interface InitSecretsAsked extends SecretsPlace {
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
export async function initSecrets(asked: InitSecretsAsked): Promise<InitializedSecrets> {
  const { environment, root, random, day } = asked;
  const opened = await openSecretsFile(asked);
  const { file, text: before = headOf(environment) } = opened;
  refuseFaults(environment, parseEnvFile(before, file).faults, [file]);

  const layers = gatherLayers(environment, root, asked.processEnvironment, { file, text: before });
  const get = (name: SettingName) => layers.winner(name)?.value ?? "";
  const names = Object.keys(declarations) as SettingName[];
  const given = new Set(parseEnvFile(before, file).assignments.map(({ name }) => name));
  const generated = names.filter(
    (name) =>
      declarations[name].generated !== undefined && !given.has(name) && isOurSecret(name, get),
  );
  const missing = names.filter(
    (name) =>
      declarations[name].required?.includes(environment) && !generated.includes(name) && !get(name),
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
      // Somebody else wrote it since it was looked for: theirs is kept and added to.
      return initSecrets(asked);
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
