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
  const input = await askHolder(lockAddress(name, platform));
  if (input.found === "none") return undefined;
  input.leave();
  const isStranger = input.found === "stranger" || (input.holder && input.holder.lock !== name);
  return isStranger ? undefined : (input.holder ?? "silent");
}
