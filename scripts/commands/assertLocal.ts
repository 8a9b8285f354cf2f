import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "../settings/environmentName.ts";

/** @throws Problem USAGE for an environment that is deployed to, not brought up */
export function assertLocal(command: string, environment: EnvironmentName): void {
  if (environment === "dev" || environment === "development") return;
  throw new Problem("USAGE", `${command}: expected dev or development, got ${environment}`, {
    next: `npm run deploy:${environment}`,
  });
}
