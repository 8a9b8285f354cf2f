import { Problem } from "../common/problem.ts";
import type { Context } from "../state/context.ts";
import { bringUpCommand } from "../settings/environmentName.ts";
import type { Settings } from "../settings/readSettings.ts";

export interface LogsInput {
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
  input: LogsInput,
  onLine: (service: string, line: string) => void,
  context: Context,
): Promise<void> {
  if (!Number.isInteger(input.tail) || input.tail < 0) {
    throw new Problem("USAGE", "--tail: expected a whole number of lines");
  }
  const observed = await context.engine.containers(settings.project);
  if (observed.length === 0) {
    throw new Problem("NOTHING_RUNS", `nothing of ${settings.environment} is there`, {
      next: bringUpCommand(settings.environment),
    });
  }
  const requested = observed.filter(
    (one) => input.service === undefined || one.service === input.service,
  );
  if (requested.length === 0) {
    const services = observed.map((one) => one.service).join(", ");
    throw new Problem("USAGE", `expected one of ${services}, got ${input.service}`);
  }
  if (input.follow) {
    await Promise.all(
      requested.map((one) =>
        context.engine.follow(
          one.id,
          (line) => onLine(one.service, line),
          context.signal,
          input.tail,
        ),
      ),
    );
    return;
  }
  for (const one of requested) {
    const text = await context.engine.tail(one.id, input.tail);
    for (const line of text.split("\n").filter(Boolean)) onLine(one.service, line);
  }
}
