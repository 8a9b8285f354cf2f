import { Problem } from "../common/problem.ts";

/** Flags of ours that npm takes for its own when they stand before `--`. */
const ours = [
  "yes",
  "json",
  "dry_run",
  "volumes",
  "exit_code",
  "follow",
  "recreate",
  "explain",
  "tail",
] as const;

/**
 * `npm run rollback v1 --dry-run` leaves the command without its flag: npm eats it and says
 * so only in its environment (npm_config_dry_run=true). Losing that one would be a disaster,
 * so it is read there; one that the command does not have is refused.
 * @param known the command's own flags, in camelCase
 * @returns the flags as they should have come
 * @throws Problem USAGE
 */
export function npmFlags(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
  command: string,
): string[] {
  const eaten = ours.filter(
    (name) => !["", "false"].includes(environment[`npm_config_${name}`] ?? ""),
  );
  const flags = eaten.map((name) => ({
    flag: `--${name.replaceAll("_", "-")}`,
    value: environment[`npm_config_${name}`] ?? "",
    key: name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
  }));
  // `yes` may stand in npm's own settings for all it runs: no reason to refuse a command without.
  const refused = flags.filter((one) => !known.includes(one.key) && one.key !== "yes");
  if (refused.length > 0) {
    const names = refused.map((one) => one.flag).join(", ");
    throw new Problem("USAGE", `${command} has no flag ${names} (npm took it for its own)`, {
      next: "the same command with -- --help",
    });
  }
  return flags
    .filter((one) => known.includes(one.key))
    .flatMap((one) => (one.value === "true" ? [one.flag] : [one.flag, one.value]));
}
