import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import { Problem } from "../common/problem.ts";

/**
 * Has a person edit a file, and waits until the editor has ended. What it writes goes to
 * standard error: standard output is for results.
 * @param editor a program and its arguments, with spaces between: "code --wait"
 * @param path where programs are looked for: PATH
 * @returns its exit code; -1 where it was ended by a signal
 * @throws Problem USAGE where there is no such program; what the signal was aborted with
 */
export async function runEditor(
  editor: string,
  file: string,
  path: string,
  signal: AbortSignal,
): Promise<number> {
  const [program = "", ...argv] = editor.split(" ").filter(Boolean);
  const child = spawn(program, [...withoutTraces(program, path), ...argv, file], {
    stdio: ["inherit", 2, 2],
  });
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

/**
 * Flags for an editor that would else write what is edited to the disk: vim's swap, backup and undo
 * files, and ~/.viminfo with deleted lines (vim's help: -n, -i, 'backup', 'undofile').
 * @param program a name in PATH, or a path; `vi` may be another editor, which takes other flags
 */
export function withoutTraces(program: string, path: string): readonly string[] {
  const found = program.includes("/")
    ? program
    : path
        .split(delimiter)
        .map((folder) => join(folder, program))
        .find((file) => existsSync(file));
  const name = found === undefined ? program : basename(realpathSync(found));
  if (!/^n?vim([.-]\w+)?$/u.test(name)) return [];
  // After the operator's own configuration, which may turn them on.
  const set = "set noswapfile nobackup nowritebackup noundofile";
  return ["-n", "-i", "NONE", "-c", set];
}

/**
 * Shows a file with the program that the desktop has for it.
 * @throws Problem USAGE where there is none
 */
export async function openFile(file: string, platform: NodeJS.Platform): Promise<void> {
  const program = platform === "darwin" ? "open" : "xdg-open";
  const child = spawn(program, [file], { stdio: "ignore", detached: true });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (cause) => {
      const message = `expected ${program} to open the page, got none`;
      reject(new Problem("USAGE", message, { next: `open ${file} in a browser`, cause }));
    });
  });
  child.unref();
}
