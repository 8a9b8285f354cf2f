/** Who holds a lock, as it says itself. */
export interface Holder {
  /** The name it holds: two names may share a port where a lock is one. */
  readonly lock: string;
  readonly pid: number;
  readonly host: string;
  readonly user: string;
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
}

/**
 * Reads what a holder says of itself.
 * @returns undefined where it is no holder's word. What others may have written goes to a terminal: no control characters, not endless.
 */
export function readHolder(text: string): Holder | undefined {
  try {
    const said = JSON.parse(text.split("\n")[0]!) as Partial<Record<keyof Holder, unknown>> | null;
    if (typeof said?.pid !== "number" || typeof said.lock !== "string") return undefined;
    const plain = (value: unknown) => String(value).replaceAll(/\p{C}/gu, "").slice(0, 200);
    const { host, user, command, since } = said;
    return {
      lock: said.lock,
      pid: said.pid,
      host: plain(host),
      user: plain(user),
      command: plain(command),
      since: plain(since),
    };
  } catch {
    return undefined;
  }
}
