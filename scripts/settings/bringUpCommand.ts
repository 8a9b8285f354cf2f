import type { EnvironmentName } from "./environmentName.ts";

/** The command to go on with where nothing of an environment runs. */
export function bringUpCommand(environment: EnvironmentName): string {
  const local = environment === "dev" || environment === "development";
  return local ? `npm run up:${environment}` : `npm run deploy:${environment}`;
}
