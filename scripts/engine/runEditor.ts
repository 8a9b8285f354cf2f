import { spawn } from "node:child_process";
import { Problem } from "../common/problem.ts";

/**
 * Has a person edit a file, and waits until the editor has ended. What it writes goes to
 * standard error: standard output is for results.
 * @param editor a program and its arguments, with spaces between: "code --wait"
 * @returns its exit code; -1 where it was ended by a signal
 * @throws Problem USAGE where there is no such program; what the signal was aborted with
 */
export async function runEditor(
  editor: string,
  file: string,
  signal: AbortSignal,
): Promise<number> {
  const [program = "", ...argv] = editor.split(" ").filter(Boolean);
  const child = spawn(program, [...argv, file], { stdio: ["inherit", 2, 2] });
  const end = () => child.kill("SIGTERM");
  signal.addEventListener("abort", end);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", (cause) => {
        const next = "EDITOR=<an editor> with the same command";
        reject(new Problem("USAGE", `${program}: expected an editor, got none`, { next, cause }));
      });
      child.once("exit", (code) => resolve(code ?? -1));
    });
  } finally {
    signal.removeEventListener("abort", end);
    signal.throwIfAborted();
  }
}
