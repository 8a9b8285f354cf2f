import { Problem } from "../common/problem.ts";
import type { Tools } from "../parts/tools.ts";
import { bringUpCommand } from "../settings/bringUpCommand.ts";
import type { Settings } from "../settings/readSettings.ts";

export interface LogsAsked {
  readonly service: string | undefined;
  readonly tail: number;
  readonly follow: boolean;
}

/**
 * Hands on the last lines of one service or all, and with `follow` the next ones too.
 * @throws Problem USAGE for a service or a number of lines that is not, NOTHING_RUNS
 */
export async function gatherLogs(
  settings: Settings,
  asked: LogsAsked,
  onLine: (service: string, line: string) => void,
  tools: Tools,
): Promise<void> {
  if (!Number.isInteger(asked.tail) || asked.tail < 0) {
    throw new Problem("USAGE", "--tail: expected a whole number of lines");
  }
  const observed = await tools.engine.containers(settings.project);
  if (observed.length === 0) {
    throw new Problem("NOTHING_RUNS", `nothing of ${settings.environment} is there`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const wanted = observed.filter(
    (one) => asked.service === undefined || one.service === asked.service,
  );
  if (wanted.length === 0) {
    const services = observed.map((one) => one.service).join(", ");
    throw new Problem("USAGE", `expected one of ${services}, got ${asked.service}`);
  }
  if (asked.follow) {
    await Promise.all(
      wanted.map((one) =>
        tools.engine.follow(one.id, (line) => onLine(one.service, line), tools.signal, asked.tail),
      ),
    );
    return;
  }
  for (const one of wanted) {
    const text = await tools.engine.tail(one.id, asked.tail);
    for (const line of text.split("\n").filter(Boolean)) onLine(one.service, line);
  }
}
