import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

export interface EngineEvent {
  readonly Action: string;
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> };
}

/** What the engine says of the container that an event is about: its name and labels, an exit code. */
export function attributesOf({ Actor }: EngineEvent): Readonly<Record<string, string>> {
  return Actor.Attributes;
}

/** An event reaches anyone who listens within this time of having happened. */
const settledMs = 1000;

/**
 * What the engine does to a project's containers while something is done, health checks and
 * commands within them left out. Heard as it happens: the engine keeps its last 256 events, which
 * the health checks of a few stacks are within seconds.
 */
export async function eventsDuring<Result>(
  project: string,
  work: () => Promise<Result>,
): Promise<{ result: Result; events: readonly EngineEvent[] }> {
  const label = `label=com.docker.compose.project=${project}`;
  const since = (Date.now() / 1000).toFixed(3);
  const argv = ["events", "--since", since, "--filter", label, "--format", "{{json .}}"];
  const listener = spawn("docker", argv, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(listener, "close");
  let heard = "";
  listener.stdout.on("data", (chunk: Buffer) => (heard += chunk.toString()));
  try {
    const result = await work();
    await sleep(settledMs);
    const events = heard
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as EngineEvent)
      .filter(({ Action }) => !/^(?:exec_|health_status)/.test(Action));
    return { result, events };
  } finally {
    listener.kill();
    await ended;
  }
}
