import type Docker from "dockerode";
import { duplexOptions } from "./duplexOptions.ts";
import { converse } from "./demux.ts";
import type { CommandIo, CommandResult } from "./engine.ts";
import { variables } from "./variables.ts";

/** Runs a command in a running container to its end. */
export async function execOnce(
  docker: Docker,
  id: string,
  argv: readonly string[],
  io: CommandIo = {},
): Promise<CommandResult> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    Env: variables(io.environment),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    ...(io.user === undefined ? {} : { User: io.user }),
  });
  const stream = await duplexOptions((how) => exec.start(how));
  const said = await converse(stream, io);
  const { ExitCode: code } = await exec.inspect();
  return { code: code ?? -1, ...said };
}
