import type Docker from "dockerode";
import { duplexOptions } from "./duplexOptions.ts";
import type { CommandIo, Release } from "./engine.ts";
import { gather, matched } from "./gather.ts";
import { variables } from "./variables.ts";

/**
 * Starts a command in a running container, waits until its output matches, and keeps its
 * standard input open. Should this process die, the engine closes it and the command ends.
 * @returns ends the command and waits for it
 */
export async function execHeld(
  docker: Docker,
  id: string,
  argv: readonly string[],
  io: CommandIo & { readonly stdin: string },
  until: RegExp,
): Promise<Release> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    Env: variables(io.environment),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    ...(io.user === undefined ? {} : { User: io.user }),
  });
  const stream = await duplexOptions((how) => exec.start(how));
  const out = gather();
  docker.modem.demuxStream(stream, out.stream, out.stream);
  const ended = new Promise<void>((resolve) => stream.once("close", resolve).once("end", resolve));
  stream.write(io.stdin);
  await matched(out, until, ended);
  return async (farewell = "") => {
    stream.end(farewell);
    await ended;
  };
}
