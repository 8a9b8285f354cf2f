import { askHolder, type Holder } from "./askHolder.ts";
import { lockAddress } from "./lockAddress.ts";

/**
 * Who holds one of these locks now. Takes none: for commands that only read.
 * @param names see `lockNames`
 * @returns "silent" where somebody holds it and does not answer; undefined where nobody does
 */
export async function lockHolder(
  names: readonly string[],
  platform: string = process.platform,
): Promise<Holder | "silent" | undefined> {
  for (const name of names) {
    const asked = await askHolder(lockAddress(name, platform));
    if (asked.found === "nobody") continue;
    asked.leave();
    const stranger = asked.found === "stranger" || (asked.holder && asked.holder.lock !== name);
    if (!stranger) return asked.holder ?? "silent";
  }
  return undefined;
}
