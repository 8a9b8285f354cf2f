// Stands for scripts/state/holdAddress.ts: sockets of the simulated kernel.
import type { LockAddress } from "../../../scripts/state/lockAddress.ts";
import { cluster } from "../machine.ts";
import { world } from "../world.ts";

/** Listens at an address; the kernel gives it back when the process ends. */
export function holdAddress(
  address: LockAddress,
  holder: object,
): Promise<(() => Promise<void>) | undefined> {
  const now = world();
  const key = `${cluster().number} ${JSON.stringify(address)}`;
  return now.effect(`lock ${key}`, 1, () => {
    if (now.sockets.has(key)) return undefined;
    const gone = Promise.withResolvers<void>();
    const socket = { holder, gone: gone.promise, process: now.process() };
    now.sockets.set(key, socket);
    const leave = () => {
      if (now.sockets.get(key) === socket) now.sockets.delete(key);
      gone.resolve();
    };
    now.process()?.atEnd.push(leave);
    return () => now.effect(`unlock ${key}`, 1, leave);
  });
}
