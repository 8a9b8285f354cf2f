import type { Engine } from "../docker/engine.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";
import { reachFrom } from "./checkConnection.ts";

/** What the server's exporter writes where it gets nothing through. */
const exportErrors = /exporting (?:traces|metrics|logs) to|Failed to export/i;
const lines = 400;

/** Whether the server's container gets to the collector under its name, and what it says of it. */
export async function checkServerToCollector(
  server: string,
  engine: Engine,
  next: string,
): Promise<CheckResult> {
  const [fault, log] = await Promise.all([
    reachFrom(server, { host: "collector", port: 4317 }, engine),
    engine.tail(server, lines),
  ]);
  const errors = log.split("\n").filter((line) => exportErrors.test(line));
  const last = errors.at(-1)?.trim().slice(0, 200);
  if (fault !== undefined) return failed(`collector:4317 from the server: ${fault}`, next);
  if (last === undefined) return passed("collector:4317, and its log tells of no failed export");
  return passed(`collector:4317; ${errors.length} failed exports in its last ${lines} lines`, [
    last,
  ]);
}
