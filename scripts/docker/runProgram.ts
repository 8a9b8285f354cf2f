import { execFile } from "node:child_process";
import type { CommandResult } from "./engine.ts";

export interface ProgramCall {
  /** All of the program's environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Its standard input; empty where it is left out. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

/**
 * Runs a program of this host to its end, without a shell.
 * @returns code -1 where it was ended at the time limit, or could not be started
 * @throws what the signal was aborted with
 */
export async function runProgram(
  program: string,
  argv: readonly string[],
  call: ProgramCall,
): Promise<CommandResult> {
  const { environment: env, timeoutMs: timeout, input = "", signal } = call;
  const result = await new Promise<CommandResult>((resolve) => {
    const options = { env, timeout, killSignal: "SIGKILL", ...(signal && { signal }) } as const;
    const child = execFile(
      program,
      [...argv],
      { ...options, maxBuffer: 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ code, stdout, stderr: stderr || (error?.message ?? "") });
      },
    );
    // A program may end before it has read its input: its exit code tells why.
    child.stdin!.on("error", () => undefined).end(input);
  });
  signal?.throwIfAborted();
  return result;
}
