import { spawn } from "node:child_process";
import { accessSync, constants, lstatSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface HookCall {
  /** All there is; only PATH, HOME, LANG and STACK_… of it reach the hook. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  readonly cwd: string;
  /** Ends the hook too. */
  readonly signal?: AbortSignal;
}

export interface HookOutcome {
  readonly outcome: "absent" | "passed" | "failed" | "timed out";
  /** Null where it did not end by itself, or was not run. */
  readonly exit: number | null;
  /** The last 64 KB of both streams, or why it was not run and what to do. */
  readonly output: string;
}

const mostOutput = 64 * 1024;
const graceMs = 5_000;
const pollMs = 50;

/** What a hook left running in the background may still write is not waited for. */
const drainMs = 250;

/**
 * Runs an operator's own program: `hooks/<name>`, without arguments, input or a shell between.
 * It is over when its own process ends. At the time limit, or when the signal says stop, it is
 * ended with all processes it started: asked first, killed five seconds later.
 * @throws what the signal was aborted with
 */
export async function runHook(path: string, call: HookCall): Promise<HookOutcome> {
  call.signal?.throwIfAborted();
  const file = resolve(call.cwd, path);
  const refused = judge(file);
  if (refused) return { exit: null, ...refused };
  const child = spawn(file, [], {
    cwd: call.cwd,
    env: passed(call.environment),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = lastOf(mostOutput);
  for (const stream of [child.stdout, child.stderr]) stream.on("data", output.add);
  const ended = new Promise<{ exit: number | null; error?: Error }>((settle) => {
    child.once("error", (error) => settle({ exit: null, error }));
    child.once("exit", (exit) => settle({ exit }));
  });
  const closed = new Promise((settle) => child.once("close", settle));
  const over = new AbortController();
  const stop = AbortSignal.any([over.signal, ...(call.signal ? [call.signal] : [])]);
  const limit = sleep(call.timeoutMs, "timed out" as const, { signal: stop }).catch(
    () => undefined,
  );
  try {
    const first = await Promise.race([ended, limit]);
    const stopped = first === undefined || first === "timed out";
    if (stopped && child.pid !== undefined) await endGroup(child.pid);
    const { exit, error } = await ended;
    await Promise.race([closed, sleep(drainMs)]);
    call.signal?.throwIfAborted();
    if (error) return { outcome: "failed", exit: null, output: `${file}: ${error.message}` };
    if (stopped) return { outcome: "timed out", exit: null, output: output.text() };
    return { outcome: exit === 0 ? "passed" : "failed", exit, output: output.text() };
  } finally {
    over.abort();
    for (const stream of [child.stdout, child.stderr]) stream.destroy();
  }
}

/**
 * A user who may write a hook, or its folder, runs it in effect: as root with a checkout in another user's
 * home that user would be root.
 * @returns why it is not run; undefined where it is
 */
function judge(file: string): Pick<HookOutcome, "outcome" | "output"> | undefined {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found === undefined) return { outcome: "absent", output: "" };
  const failed = (output: string) => ({ outcome: "failed" as const, output });
  if (!found.isFile()) return failed(`${file}: expected a file, and no link to one`);
  for (const path of [file, dirname(file)]) {
    const { mode, uid } = lstatSync(path);
    if ((mode & 0o022) !== 0)
      return failed(`${path}: other users may write it, so it is not run: chmod go-w ${path}`);
    if (uid !== 0 && uid !== process.getuid?.())
      return failed(`${path}: another user owns it (uid ${uid}), so it is not run: chown it`);
  }
  try {
    // Root may execute only what some user may: the kernel asks for one x bit.
    accessSync(file, constants.X_OK);
  } catch {
    return failed(`${file}: expected an executable file: chmod +x ${file}`);
  }
  return undefined;
}

function passed(environment: HookCall["environment"]): NodeJS.ProcessEnv {
  const known = Object.entries(environment).filter(([name]) =>
    /^(PATH|HOME|LANG|STACK_\w+)$/.test(name),
  );
  return Object.fromEntries(known);
}

/** Asks a process group to end, and kills what is left of it. */
async function endGroup(leader: number): Promise<void> {
  if (!signalGroup(leader, "SIGTERM")) return;
  for (let waited = 0; waited < graceMs; waited += pollMs) {
    await sleep(pollMs);
    if (!signalGroup(leader, 0)) return;
  }
  signalGroup(leader, "SIGKILL");
}

/** @returns whether there is such a group */
function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}

/** Keeps the end of what it is given, whole characters only. */
function lastOf(most: number) {
  let retained: Buffer = Buffer.alloc(0);
  let cut = false;
  return {
    add(chunk: Buffer): void {
      const all = Buffer.concat([retained, chunk]);
      cut ||= all.length > most;
      retained = all.subarray(Math.max(0, all.length - most));
    },
    text(): string {
      let start = 0;
      while (cut && start < 4 && ((retained[start] ?? 0) & 0xc0) === 0x80) start += 1;
      return retained.subarray(start).toString("utf8");
    },
  };
}
