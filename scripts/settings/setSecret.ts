import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { settingDefinitions } from "./settingDefinitions.ts";
import { isSettingName } from "./isSettingName.ts";
import { checkSecretsText } from "./checkSecretsText.ts";
import type { SecretsFile, SecretsPlace } from "./openSecretsFile.ts";
import { noteDates } from "./secretDates.ts";
import { writeAssignment } from "./writeAssignment.ts";

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
