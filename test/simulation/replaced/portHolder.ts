// Stands for scripts/docker/portHolder.ts: no port is anybody's.

/** Whether a port is free. */
export function isFree(): Promise<boolean> {
  return Promise.resolve(true);
}

/** Who holds it. */
export function portHolder(): undefined {
  return undefined;
}
