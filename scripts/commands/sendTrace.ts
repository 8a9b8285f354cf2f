import type { Trace } from "./traceCommand.ts";

/**
 * Sends a trace when all output is written and the exit code is set: nothing that happens here changes
 * how the command ended.
 * @param tells whether to say on standard error where it went
 */
export async function sendTrace(
  trace: Trace,
  tells: boolean,
  hide: (text: string) => string,
): Promise<void> {
  const fault = await trace.send();
  const how =
    fault === undefined ? `sent to ${trace.target}` : `not sent to ${trace.target}: ${fault}`;
  if (tells) process.stderr.write(hide(`trace ${trace.id} ${how}\n`));
  // What was given up may hold a socket, or the look-up of a name, for longer than the second.
  if (fault !== undefined) process.stdout.write("", () => process.exit());
}
