import { askClickHouse, type ClickHouseReader } from "./askClickHouse.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";

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

const query = `SELECT arrayJoin(arrayFilter(name -> match(name, {pattern:String}), mapKeys(SpanAttributes))) AS name, count() AS times
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
  const { fault, text } = await askClickHouse(reader, database, query, parameters);
  if (fault !== 0 && !notYet.includes(fault)) {
    return failed(`ClickHouse answers ${text.split("\n")[0]!.slice(0, 300)}`, next);
  }
  const found = fault === 0 ? text.split("\n").filter(Boolean) : [];
  const since = `spans of the last ${Math.floor(seconds / 60)} minutes`;
  if (found.length === 0) return passed(`${since} are without what is to be taken out`);
  const names = found.map((line) => line.split("\t")).map(([name, times]) => `${name} (${times})`);
  return failed(`${since} still have ${names.join(", ")}`, next);
}
