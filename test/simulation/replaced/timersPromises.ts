// Stands for node:timers/promises: time is the world's.
import { world } from "../world.ts";

export async function setTimeout<Value>(
  ms: number,
  value?: Value,
  options: { signal?: AbortSignal } = {},
): Promise<Value | undefined> {
  await world().sleep(ms, options.signal);
  return value;
}
