import { isSettingName } from "../../scripts/settings/settingDefinitions.ts";

/**
 * A command's arguments with --from-env for every setting that a test gives in the process
 * environment: staging and prod take no other. In dev and development they count as they are.
 */
export function fromEnv(
  args: readonly string[],
  given: Readonly<Record<string, string | undefined>>,
): string[] {
  const names = Object.keys(given).filter(
    (name) => isSettingName(name) && given[name] !== undefined,
  );
  const isLocal = args.some((one) => one === "dev" || one === "development");
  return isLocal || names.length === 0 ? [...args] : [...args, `--from-env=${names.join(",")}`];
}
