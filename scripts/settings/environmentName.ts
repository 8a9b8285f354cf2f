import { didYouMean } from "../common/didYouMean.ts";
import { Problem } from "../common/problem.ts";

/** The environments there are, from the most local to the most public. */
export const environmentNames = ["dev", "development", "staging", "prod"] as const;

export type EnvironmentName = (typeof environmentNames)[number];

/**
 * Reads the name of an environment as a person typed it.
 * @throws Problem USAGE when there is none of that name, with the nearest one
 */
export function environmentName(typed: string | undefined): EnvironmentName {
  const known = environmentNames.find((name) => name === typed);
  if (known) return known;
  const meant = typed ? didYouMean(typed, environmentNames) : undefined;
  throw new Problem(
    "USAGE",
    `expected an environment (${environmentNames.join(", ")}), got ${typed ? JSON.stringify(typed) : "none"}` +
      (meant ? `; did you mean ${meant}?` : ""),
  );
}

/** The command to go on with where nothing of an environment runs. */
export function bringUpCommand(environment: EnvironmentName): string {
  const local = environment === "dev" || environment === "development";
  return local ? `npm run up:${environment}` : `npm run deploy:${environment}`;
}
