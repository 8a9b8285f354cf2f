import { hostname, userInfo } from "node:os";

/** Who runs this process, and where. */
export interface CurrentUser {
  readonly user: string;
  readonly host: string;
}

/** The user by name, or by number where the system knows no name for it. */
export function currentUser(): CurrentUser {
  const host = hostname();
  try {
    return { user: userInfo().username, host };
  } catch {
    return { user: `uid ${process.getuid?.() ?? "unknown"}`, host };
  }
}
