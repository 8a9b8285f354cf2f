import { askClickHouse, type ClickHouseAnswer, type ClickHouseReader } from "./askClickHouse.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";
import { addressOf, explainConnection, reach } from "./checkConnection.ts";
import { request } from "./request.ts";

/** ClickHouse's own numbers: its source, src/Common/ErrorCodes.cpp. */
const faults = {
  notThere: [60, 81],
  wrongLogin: [192, 193, 194, 516],
  notGranted: [497],
} as const;

const firstLine = ({ text }: ClickHouseAnswer) => text.split("\n")[0]!.slice(0, 300);
const isOneOf = ({ fault }: ClickHouseAnswer, codes: readonly number[]) => codes.includes(fault);

/** Why ClickHouse does not answer here. */
export interface Silence {
  readonly why: string;
  /** Whether it can be connected to: then it is no better from elsewhere. */
  readonly reached: boolean;
}

const connectMs = 1000;

/**
 * Whether ClickHouse answers: /ping needs no user.
 * @returns undefined where it does
 */
export async function pingClickHouse({
  url,
  caCertificate,
}: Pick<ClickHouseReader, "url" | "caCertificate">): Promise<Silence | undefined> {
  const reply = await request(`${url}/ping`, {
    elsewhere: { caCertificate },
    headers: { connection: "close" },
  }).catch((error: Error) => error);
  if (reply instanceof Error) {
    // Only its time limit ends a request.
    const isLate = (reply.cause as Error | undefined)?.name === "AbortError";
    if (!isLate || (await reach(addressOf(url), caCertificate, connectMs)) !== undefined)
      return { why: explainConnection(reply), reached: false };
    return { why: "it takes the connection and does not answer: it hangs", reached: true };
  }
  if (reply.status === 200 && reply.body.startsWith("Ok.")) return undefined;
  const got = `${reply.status} ${reply.body.slice(0, 80).trim()}`;
  return { why: `expected Ok. from /ping, got ${got}`, reached: true };
}

/** How one user asks; `purpose` as in "writes". */
export interface Login {
  readonly reader: ClickHouseReader;
  readonly purpose: "writes" | "reads";
  readonly database: string;
  /** The setting with the password. */
  readonly setting: string;
}

/** Whether ClickHouse takes a user's password, and lets it do what it is for. */
export async function checkLogin(login: Login, next: string): Promise<CheckResult> {
  const { reader, purpose, database } = login;
  const ask = (query: string) => askClickHouse(reader, "default", query, {});
  const known = await ask("SELECT 1");
  const may =
    known.fault !== 0
      ? known
      : await ask(
          purpose === "writes"
            ? `CHECK GRANT INSERT ON \`${database}\`.*`
            : `SELECT 1 FROM \`${database}\`.otel_traces LIMIT 0`,
        );
  return loginResult(login, known, may, next);
}

/**
 * @param known the answer to a query that needs nothing but the password
 * @param may the answer to whether it may do what it is for
 */
export function loginResult(
  { reader: { user }, purpose, database, setting }: Login,
  known: ClickHouseAnswer,
  may: ClickHouseAnswer,
  next: string,
): CheckResult {
  if (isOneOf(known, faults.wrongLogin)) {
    return failed(`ClickHouse knows no ${user} with the password of ${setting}`, next);
  }
  if (known.fault !== 0) return failed(`${user}: ClickHouse answers ${firstLine(known)}`, next);
  const refused =
    purpose === "writes" ? may.fault === 0 && may.text === "0" : isOneOf(may, faults.notGranted);
  if (refused) {
    const right = purpose === "writes" ? "INSERT" : "SELECT";
    return failed(`${user} has no ${right} on ${database}.*`, next);
  }
  // Versions before 24.10 have no CHECK GRANT; a table that is not there yet refuses no one.
  const unknown = may.fault !== 0 && !isOneOf(may, faults.notThere);
  return passed(unknown ? `${user}; its rights on ${database} cannot be asked` : user);
}
