import { Problem } from "../common/problem.ts";
import type { EnvironmentName } from "../settings/environmentName.ts";

/** @throws Problem USAGE for an environment that is brought up, not deployed to */
export function assertDeployable(command: string, environment: EnvironmentName): void {
  if (environment === "staging" || environment === "prod") return;
  throw new Problem("USAGE", `${command}: expected staging or prod, got ${environment}`, {
    next: `npm run up:${environment}`,
  });
}
