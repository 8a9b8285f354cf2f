import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";
import { settingDefinitions } from "./settingDefinitions.ts";
import type { EnvironmentName } from "./environmentName.ts";
import { isSettingName } from "./isSettingName.ts";

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
