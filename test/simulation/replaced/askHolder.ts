// Stands for scripts/ledger/askHolder.ts: whoever holds a socket answers at once.
import type { Asked } from "../../../scripts/ledger/askHolder.ts";
import type { Holder } from "../../../scripts/ledger/readHolder.ts";
import type { LockAddress } from "../../../scripts/ledger/lockAddress.ts";
import { cluster } from "../machine.ts";
import { world } from "../world.ts";

/** Asks whoever listens at an address. */
export function askHolder(address: LockAddress): Promise<Asked> {
  const now = world();
  const key = `${cluster().number} ${JSON.stringify(address)}`;
  return now.effect(`ask ${key}`, 1, (): Asked => {
    const socket = now.sockets.get(key);
    if (socket === undefined) return { found: "nobody" };
    const holder = socket.holder as Holder;
    return { found: "holder", holder, gone: socket.gone, leave: () => undefined };
  });
}
