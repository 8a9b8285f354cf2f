import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Engine, Held, NameTaken } from "../docker/engine.ts";
import { type Holder, lockedBy, readHolder } from "./lockAddress.ts";
import type { LockOptions } from "./lock.ts";

/** What the lock of a stack says to others. */
export interface EngineHolder extends Omit<Holder, "lock"> {
  /** See `installationId`. */
  readonly installation: string;
}

const soonMs = 100;
const laterMs = 500;
/** A killed holder's container ends when the engine closes its input: refused is only who outlives that. */
const graceMs = 1_500;
/** A holder starts its container as soon as it has made it: one that stays as it was made has lost its holder. */
const startMs = 5_000;
/** A removal that takes longer is stuck. */
const removalMs = 30_000;

const labels = { lock: "letta-stack.lock", installation: "letta-stack.installation" } as const;

/**
 * Takes the lock of a stack where the stack is: the container `letta-stack-lock-<project>` on its
 * engine, so for every checkout, container and machine that reaches this engine. It ends with its
 * holder: at once with the process, a minute after its machine or its connection has gone.
 * @throws Problem LOCKED; what the signal was aborted with
 */
export async function takeEngineLock(
  engine: Engine,
  project: string,
  holder: EngineHolder,
  { wait, onWait, signal }: Pick<LockOptions, "wait" | "onWait" | "signal">,
): Promise<Held> {
  const name = `letta-stack-lock-${project}`;
  const { installation, ...who } = holder;
  const mine = JSON.stringify({ lock: name, ...who });
  let seen = "";
  let seenMs = 0;
  for (;;) {
    signal?.throwIfAborted();
    const got = await engine.holdName(name, {
      [labels.lock]: mine,
      [labels.installation]: installation,
    });
    if (got?.isAlive !== undefined) return got;
    const now = got === undefined ? "" : `${got.id} ${got.state}`;
    const pauseMs = seenMs < graceMs ? soonMs : laterMs;
    seenMs = now === seen ? seenMs + pauseMs : 0;
    seen = now;
    if (got !== undefined && seenMs >= patienceMs(got)) {
      const other = readHolder(got.labels[labels.lock] ?? "");
      if (other === undefined) throw foreign(name, got);
      if (!isAtWork(got)) {
        if (got.state === "removing" || got.state === "dead") throw stuck(name, got);
        await engine.removeStopped(got.id);
      } else if (!wait) throw lockedBy(other, whose(name, got));
      else if (seenMs === graceMs) onWait?.(other);
    }
    await sleep(pauseMs, undefined, signal && { signal });
  }
}

function isAtWork({ state }: NameTaken): boolean {
  return state === "running" || state === "paused" || state === "restarting";
}

/** How long a container is looked at before anything is concluded from its state. */
function patienceMs(taken: NameTaken): number {
  if (isAtWork(taken)) return graceMs;
  if (taken.state === "created") return startMs;
  return taken.state === "exited" ? graceMs : removalMs;
}

function whose(name: string, { labels: found }: NameTaken) {
  const installation = found[labels.installation] ?? "unknown";
  return {
    details: [
      `it is the container ${name}, of installation ${installation}`,
      "it ends with that process, and a minute after that machine or its connection has gone",
    ],
    next: "wait for it to end (--wait), or stop that process",
  };
}

function foreign(name: string, { state }: NameTaken): Problem {
  return new Problem(
    "LOCKED",
    `expected the name ${name} to be free, found a container of others`,
    {
      details: [`it is ${state}, and carries no label ${labels.lock}`],
      next: `docker inspect ${name}   (then: docker rm -f ${name})`,
    },
  );
}

function stuck(name: string, { id, state }: NameTaken): Problem {
  return new Problem("LOCKED", `${name}: the engine does not remove it (${state})`, {
    next: `docker rm -f ${id.slice(0, 12)}`,
  });
}
