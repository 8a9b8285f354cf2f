import { askClickHouse, type ClickHouseAnswer, type ClickHouseReader } from "./askClickHouse.ts";
import { type CheckResult, failed, passed, skipped } from "./check.ts";
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
interface Silence {
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
interface Login {
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

/** How late spans came, over the portions they were written in; in seconds. */
interface Arrival {
  readonly portions: number;
  readonly median: number;
  readonly most: number;
}

/**
 * Each insert makes a part with the time it was written; parts that were merged say no more about
 * their inserts. ClickHouse tells that time in whole seconds.
 */
const lateQuery = `SELECT count(), round(median(late), 1), round(max(late), 1) FROM (
  SELECT greatest(0, toUnixTimestamp(any(parts.modification_time))
    - max(toUnixTimestamp64Milli(toDateTime64(Timestamp, 3)) + Duration / 1000000) / 1000) AS late
  FROM otel_traces INNER JOIN system.parts AS parts ON parts.name = otel_traces._part
  WHERE parts.database = {database:String} AND parts.table = 'otel_traces' AND parts.level = 0
    AND parts.modification_time > now() - INTERVAL 1 HOUR
  GROUP BY otel_traces._part) FORMAT TabSeparated`;

/** How long after their end the spans of the last hour came to ClickHouse. */
export async function checkArrival(
  reader: ClickHouseReader,
  database: string,
  expectedMs: number,
  next: string,
): Promise<CheckResult> {
  const { fault, text } = await askClickHouse(reader, database, lateQuery, { database });
  if (fault !== 0)
    return skipped(`ClickHouse does not tell: ${text.split("\n")[0]!.slice(0, 200)}`);
  const [portions = 0, median = 0, most = 0] = text.split("\t").map(Number);
  return arrivalResult({ portions, median, most }, expectedMs, next);
}

/** A server that lost its collector asks again after half a minute; deliveries take their time. */
const graceSeconds = 30;

/** @param expectedMs what the settings make spans wait at most */
export function arrivalResult(
  { portions, median, most }: Arrival,
  expectedMs: number,
  next: string,
): CheckResult {
  if (portions === 0) return skipped("no span has come in the last hour, or all were merged");
  const seen = `${median} s after a span's end, ${most} s at most (${portions} inserts)`;
  const expected = `${Number((expectedMs / 1000).toFixed(1))} s`;
  if (median > expectedMs / 1000 + graceSeconds) {
    return failed(`${seen}; expected about ${expected}: the queue is behind, or was`, next);
  }
  return passed(`${seen}; as set up to ${expected} and a delivery`);
}

/** Whether ClickHouse's disks have free space. */
export async function checkDiskSpace(reader: ClickHouseReader, next: string): Promise<CheckResult> {
  const query = "SELECT name, free_space, total_space FROM system.disks ORDER BY name";
  return spaceFinding(await askClickHouse(reader, "default", query, {}), next);
}

/** Less is soon gone: on a large disk this much, on a small one this share. */
const leastBytes = 1024 ** 3;
const leastShare = 0.05;

/** @param answer name, free and all bytes of each disk, one a line */
export function spaceFinding({ fault, text }: ClickHouseAnswer, next: string): CheckResult {
  if (fault !== 0)
    return skipped(`ClickHouse does not tell: ${text.split("\n")[0]!.slice(0, 200)}`);
  const disks = text.split("\n").map((line) => {
    const [name = "", free, total] = line.split("\t");
    return { name, free: Number(free), total: Number(total) };
  });
  const reported = disks.map(
    ({ name, free, total }) => `${name}: ${mb(free)} of ${mb(total)} MB are free`,
  );
  const tight = disks.findIndex(
    ({ free, total }) => free < Math.min(leastBytes, leastShare * total),
  );
  if (tight < 0) return passed(reported.join(", "));
  const meanwhile = "where it has none, what comes waits in the collector's queue";
  return failed(`${reported[tight]}; ${meanwhile}`, next);
}

function mb(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}

/** Whether the tables are there that telemetry goes to. */
export async function checkTables(
  reader: ClickHouseReader,
  database: string,
  expected: readonly string[],
  collectorRuns: boolean,
  next: string,
): Promise<CheckResult> {
  const query = "SELECT name FROM system.tables WHERE database = {database:String} ORDER BY name";
  const answer = await askClickHouse(reader, "default", query, { database });
  return tablesResult(answer, database, expected, collectorRuns, next);
}

/** @param answer the names of the database's tables, one a line */
export function tablesResult(
  answer: ClickHouseAnswer,
  database: string,
  expected: readonly string[],
  collectorRuns: boolean,
  next: string,
): CheckResult {
  if (answer.fault !== 0) {
    return failed(`ClickHouse answers ${answer.text.split("\n")[0]!.slice(0, 300)}`, next);
  }
  const tables = answer.text.split("\n").filter(Boolean);
  const missing = expected.filter((name) => !tables.includes(name));
  if (missing.length === 0) return passed(`${tables.length} tables in ${database}`);
  const what = `${missing.join(", ")} ${missing.length === 1 ? "is" : "are"} not in ${database}`;
  if (!collectorRuns) return skipped(`${what} yet: the collector makes them when it starts`);
  return failed(`${what}, and the collector runs: it may not make them, or writes elsewhere`, next);
}

/**
 * Attributes with what people wrote or what a model was sent, and where they come from: Letta
 * 0.16.8's otel/tracing.py (bodies, parameters of methods) and adapters (what goes to a model).
 */
const personal = [
  ["http.request.body.messages", "bodies of requests"],
  ["parameter.request_data", "parameters of methods, among them whole requests to a model"],
  ["parameter.input_messages", "parameters of methods, among them what people wrote"],
  ["request_data", "what is sent to a model"],
  ["response_data", "what a model answers"],
] as const;

/** Takes all of them out. */
const proposed = String.raw`^(http\.request\.body|parameter)\.|^(request|response)_data$|^filename$`;

/**
 * Whether what people wrote leaves the machine on spans.
 * @param removed the pattern of OTEL_REMOVED_ATTRIBUTES
 */
export function checkPrivacy(environment: string, removed: string): CheckResult {
  const retained = personal.filter(
    ([name]) => removed === "" || !new RegExp(removed, "u").test(name),
  );
  const local = environment === "dev" || environment === "development";
  if (retained.length === 0)
    return passed(`bodies, parameters and prompts are taken out (${removed})`);
  const names = [...new Set(retained.map(([name]) => name))].join(", ");
  if (local) return passed(`retained in ${environment}, for debugging: ${names}`);
  const notes = retained.map(([name, what]) => `${name}: ${what}`);
  const next = `set OTEL_REMOVED_ATTRIBUTES in env/${environment}.env to ${proposed}`;
  return failed(`OTEL_REMOVED_ATTRIBUTES lets pass ${names}`, next, notes);
}

const attributeQuery = `SELECT arrayJoin(arrayFilter(name -> match(name, {pattern:String}), mapKeys(SpanAttributes))) AS name, count() AS times
  FROM otel_traces WHERE Timestamp > now() - toIntervalSecond({seconds:UInt32}) GROUP BY name ORDER BY name LIMIT 5`;

/** No such table or database: nothing has been written yet. */
const notYet = [60, 81];

/**
 * Whether spans that came lately are without what is to be taken out.
 * @param seconds for how long it is to be taken out
 */
export async function checkRetained(
  reader: ClickHouseReader,
  database: string,
  removed: string,
  seconds: number,
  next: string,
): Promise<CheckResult> {
  const parameters = { pattern: removed, seconds: String(Math.floor(seconds)) };
  const { fault, text } = await askClickHouse(reader, database, attributeQuery, parameters);
  if (fault !== 0 && !notYet.includes(fault)) {
    return failed(`ClickHouse answers ${text.split("\n")[0]!.slice(0, 300)}`, next);
  }
  const found = fault === 0 ? text.split("\n").filter(Boolean) : [];
  const since = `spans of the last ${Math.floor(seconds / 60)} minutes`;
  if (found.length === 0) return passed(`${since} are without what is to be taken out`);
  const names = found.map((line) => line.split("\t")).map(([name, times]) => `${name} (${times})`);
  return failed(`${since} still have ${names.join(", ")}`, next);
}
