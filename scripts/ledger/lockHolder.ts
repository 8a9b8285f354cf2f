import { askHolder } from "./askHolder.ts";
import type { Holder } from "./readHolder.ts";
import { lockAddress } from "./lockAddress.ts";

/**
 * Who holds a lock of this machine now. Takes none: for commands that only read.
 * @returns "silent" where a process holds it and does not answer; undefined where none does
 */
export async function lockHolder(
  name: string,
  platform: string = process.platform,
): Promise<Holder | "silent" | undefined> {
  const asked = await askHolder(lockAddress(name, platform));
  if (asked.found === "nobody") return undefined;
  asked.leave();
  const isStranger = asked.found === "stranger" || (asked.holder && asked.holder.lock !== name);
  return isStranger ? undefined : (asked.holder ?? "silent");
}
