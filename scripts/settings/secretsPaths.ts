import type { EnvironmentName } from "./environmentName.ts";

/** Where an environment's secrets are below the root: in plain text, or sealed with the key. */
export function secretsPaths(environment: EnvironmentName): { plain: string; sealed: string } {
  const plain = `env/${environment}.secrets.env`;
  return { plain, sealed: `${plain}.age` };
}
