import { type ChildProcess, spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommandResult } from "./engine.ts";

export interface Supervision {
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Milliseconds it may take to end when it is asked to, before it is killed. */
  readonly graceMs: number;
  /** Milliseconds before it is started again after its first crash; doubled for each one more. */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  /** So many crashes in a row, each within `steadyMs` of its start, and it stays down. */
  readonly mostCrashes: number;
  /** Milliseconds of running after which earlier crashes count no more. */
  readonly steadyMs: number;
  /** Milliseconds, of any clock that only goes forward. */
  readonly now: () => number;
  readonly onStart?: (pid: number) => void;
  readonly onCrash?: (how: string, pauseMs: number) => void;
  /** Asks it to end. */
  readonly signal: AbortSignal;
}

export interface Supervised {
  /** stopped: as asked, in time. killed: asked, and not in time. ended: by itself, without a fault. */
  readonly outcome: "stopped" | "killed" | "ended" | "crashed" | "not started";
  readonly how: string;
  /** How often it was started again. */
  readonly restarts: number;
}

/**
 * Keeps a program running in the foreground: it writes where we write, is asked to end
 * (SIGTERM) when the signal says so, and is started again after a crash with ever longer
 * pauses. Whatever ends this process ends it too, but for a kill -9.
 */
export async function superviseProgram(
  program: string,
  argv: readonly string[],
  options: Supervision,
): Promise<Supervised> {
  let crashes = 0;
  for (let restarts = 0; ; restarts += 1) {
    if (options.signal.aborted)
      return { outcome: "stopped", how: "before it was started", restarts };
    const started = options.now();
    const run = await runOnce(program, argv, options);
    if (run.outcome !== "crashed") return { ...run, restarts };
    crashes = options.now() - started >= options.steadyMs ? 1 : crashes + 1;
    if (crashes >= options.mostCrashes) return { ...run, restarts };
    const pause = Math.min(options.pauseMs * 2 ** (crashes - 1), options.longestPauseMs);
    options.onCrash?.(run.how, pause);
    await sleep(pause, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

async function runOnce(
  program: string,
  argv: readonly string[],
  options: Supervision,
): Promise<Omit<Supervised, "restarts">> {
  // Its standard output is our standard error: ours is for the one result.
  const child = spawn(program, argv, {
    cwd: options.cwd,
    env: options.environment,
    stdio: ["ignore", 2, 2],
  });
  const ended = new Promise<{ code: number | null; by: string | null; error?: Error }>((settle) => {
    child.once("error", (error) => settle({ code: null, by: null, error }));
    child.once("exit", (code, by) => settle({ code, by }));
  });
  const release = tie(child, options);
  if (child.pid !== undefined) options.onStart?.(child.pid);
  try {
    const { code, by, error } = await ended;
    const how = error?.message ?? (by === null ? `exit ${code}` : `ended by ${by}`);
    if (error) return { outcome: "not started", how };
    if (options.signal.aborted) return { outcome: by === "SIGKILL" ? "killed" : "stopped", how };
    return { outcome: code === 0 ? "ended" : "crashed", how };
  } finally {
    release();
  }
}

/** @returns unties the process from our own end and from the signal */
function tie(child: ChildProcess, options: Supervision): () => void {
  const kill = () => void child.kill("SIGKILL");
  let grace: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill("SIGTERM");
    grace = setTimeout(kill, options.graceMs);
  };
  // A second Ctrl-C ends this process at once: nothing may stay behind at our ports.
  process.once("exit", kill);
  options.signal.addEventListener("abort", stop, { once: true });
  return () => {
    clearTimeout(grace);
    process.removeListener("exit", kill);
    options.signal.removeEventListener("abort", stop);
  };
}

export interface ProgramCall {
  /** All of the program's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds that it may take; with `onOutput`, that it may write nothing. */
  readonly timeoutMs: number;
  /** Its standard input; empty where it is left out. */
  readonly input?: string;
  readonly signal?: AbortSignal;
  /** How it is asked to end at the limit and at an abort, before it is killed; killed at once where left out. */
  readonly ending?: { readonly by: NodeJS.Signals; readonly graceMs: number };
  /** Takes its standard output as it comes; gathered in the result where it is left out. */
  readonly onOutput?: (chunk: Buffer) => void;
}

/**
 * Runs a program of this host to its end, without a shell. Whatever ends this process ends it too, but for a kill -9.
 * @returns code -1 where it was ended at the time limit, or could not be started
 * @throws what the signal was aborted with, once the program has ended
 */
export async function runProgram(
  program: string,
  argv: readonly string[],
  call: ProgramCall,
): Promise<CommandResult> {
  const { environment: env, timeoutMs, input = "", signal, ending, onOutput } = call;
  signal?.throwIfAborted();
  const child = spawn(program, [...argv], { env, stdio: "pipe" });
  const [output, errors]: Buffer[][] = [[], []];
  let isLate = false;
  let grace: NodeJS.Timeout | undefined;
  const kill = () => {
    child.kill("SIGKILL");
    // A program that it has started may still have these open.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const stop = () => {
    if (ending === undefined) return kill();
    child.kill(ending.by);
    grace ??= setTimeout(kill, ending.graceMs);
  };
  const limit = setTimeout(() => {
    isLate = true;
    stop();
  }, timeoutMs);
  child.stderr.on("data", (chunk: Buffer) => errors!.push(chunk));
  child.stdout.on("data", (chunk: Buffer) => {
    if (onOutput === undefined) return output!.push(chunk);
    if (!isLate) limit.refresh();
    return onOutput(chunk);
  });
  // A program may end before it has read its input: its exit code tells why.
  child.stdin.on("error", () => undefined).end(input);
  process.once("exit", kill);
  signal?.addEventListener("abort", stop, { once: true });
  const { code, how } = await new Promise<{ code: number; how: string }>((settle) => {
    child.once("error", (error) => settle({ code: -1, how: error.message }));
    child.once("close", (exit, by) => settle({ code: exit ?? -1, how: `ended by ${by}` }));
  });
  clearTimeout(limit);
  clearTimeout(grace);
  process.removeListener("exit", kill);
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();
  const [stdout = "", said = ""] = [output, errors].map((one) => Buffer.concat(one!).toString());
  if (isLate) return { code: -1, stdout, stderr: `${said}\nit did not answer in time`.trim() };
  return { code, stdout, stderr: said === "" && code === -1 ? how : said };
}
