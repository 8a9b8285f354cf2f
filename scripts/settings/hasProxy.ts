/**
 * Whether the stack has a proxy: always in staging and prod, elsewhere where PROXY says so.
 * @param proxy the setting's value
 */
export function hasProxy(environment: string, proxy: string | undefined): boolean {
  return environment === "staging" || environment === "prod" || proxy === "true";
}
