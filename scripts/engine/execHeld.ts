import type Docker from "dockerode";
import { bothWays } from "./bothWays.ts";
import type { Release } from "./engine.ts";
import { gather, matched } from "./gather.ts";

/**
 * Starts a command in a running container, waits until its output matches, and keeps its
 * standard input open. Should this process die, the engine closes it and the command ends.
 * @returns ends the command and waits for it
 */
export async function execHeld(
  docker: Docker,
  id: string,
  argv: readonly string[],
  stdin: string,
  until: RegExp,
): Promise<Release> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await bothWays((how) => exec.start(how));
  const out = gather();
  docker.modem.demuxStream(stream, out.stream, out.stream);
  const ended = new Promise<void>((resolve) => stream.once("close", resolve).once("end", resolve));
  stream.write(stdin);
  await matched(out, until, ended);
  return async (farewell = "") => {
    stream.end(farewell);
    await ended;
  };
}
