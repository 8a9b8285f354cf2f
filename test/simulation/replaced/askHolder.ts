// Stands for scripts/state/askHolder.ts: a holder of a socket answers at once.
import type { Asked } from "../../../scripts/state/askHolder.ts";
import type { Holder, LockAddress } from "../../../scripts/state/lockAddress.ts";
import { cluster } from "../machine.ts";
import { world } from "../world.ts";

/** Asks the listener at an address. */
export function askHolder(address: LockAddress): Promise<Asked> {
  const now = world();
  const key = `${cluster().number} ${JSON.stringify(address)}`;
  return now.effect(`ask ${key}`, 1, (): Asked => {
    const socket = now.sockets.get(key);
    if (socket === undefined) return { found: "none" };
    const holder = socket.holder as Holder;
    return { found: "holder", holder, gone: socket.gone, leave: () => undefined };
  });
}
