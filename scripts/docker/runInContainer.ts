import { hostname } from "node:os";
import { type Duplex, PassThrough, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { hasEnded, processMark } from "../common/processMark.ts";
import { converse, duplexOptions, gather, matched } from "./demux.ts";
import type { Beat, CommandIo, CommandResult, Ended, OneShot, Release, Staying } from "./engine.ts";
import { keepAlive } from "./keepAlive.ts";

/** Says which process a one-shot container belongs to. */
export const shotLabel = "letta-stack.oneshot";

/** Runs an image once, without a trace of it left: 0.25 s of a core, an `exec` 0.07 s (Docker 26.1). */
export async function runOnce(docker: Docker, shot: OneShot): Promise<CommandResult> {
  const { container, stream } = await startShot(docker, shot);
  try {
    await container.start();
    const said = await converse(stream as Duplex, shot);
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    return { code, ...said };
  } finally {
    await container.remove({ force: true, v: true }); // an image may bring volumes of its own
  }
}

/** Like execHeld, in a container of its own that goes when it is released. */
export async function runHeld(docker: Docker, shot: OneShot, until: RegExp): Promise<Release> {
  const { container, stream } = await startShot(docker, shot);
  const ended = new Promise<void>((resolve) => stream.once("end", resolve).once("close", resolve));
  const release: Release = async (farewell) => {
    stream.end(farewell ?? "");
    if (farewell !== undefined) await ended;
    await container.remove({ force: true, v: true }); // an image may bring volumes of its own
  };
  try {
    const out = gather();
    docker.modem.demuxStream(stream, out.stream, out.stream);
    await container.start();
    stream.write((shot.stdin as string | undefined) ?? "");
    await matched(out, until, ended);
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

/** Runs an image until it is released or the connection to it ends, see `Engine.stay`. */
export async function stay(docker: Docker, shot: OneShot, beat: Beat): Promise<Staying | Ended> {
  const { container, stream } = await startShot(docker, shot, true);
  const remove = async () => {
    // The engine removes it too, as soon as it has ended.
    await container.remove({ force: true, v: true }).catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
    });
  };
  try {
    const { isAlive, stop, said, errors } = keepAlive(stream as Duplex, beat);
    await container.start();
    stream.write((shot.stdin as string | undefined) ?? "");
    if (!(await isAlive())) {
      await remove();
      return { errors: Buffer.concat(errors).toString("utf8").trim() };
    }
    const release = async () => {
      stop();
      stream.end();
      await remove();
    };
    return { isAlive, release, said: said.join("\n") };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Starts an image that outlives this process, see `Engine.detach`; no later run sweeps it away. */
export async function detach(docker: Docker, shot: OneShot): Promise<void> {
  const container = await docker.createContainer({
    ...optionsOf(shot, true),
    Labels: { "letta-stack.detached": hostname() },
  });
  try {
    await container.start();
  } catch (error) {
    await container.remove({ force: true, v: true });
    throw error;
  }
}

async function startShot(docker: Docker, shot: OneShot, removesItself = false) {
  const container = await docker.createContainer({
    ...optionsOf(shot, removesItself),
    Labels: { [shotLabel]: processMark },
    OpenStdin: true,
    StdinOnce: true,
  });
  const requested = { stream: true, stdout: true, stderr: true };
  return {
    container,
    stream: await duplexOptions((how) => container.attach({ ...how, ...requested })),
  };
}

function optionsOf(shot: OneShot, removesItself: boolean): Docker.ContainerCreateOptions {
  const [program = "", ...rest] = shot.entrypoint;
  return {
    Image: shot.image,
    Entrypoint: [program],
    Cmd: rest,
    Env: variables(shot.environment),
    ...(shot.user === undefined ? {} : { User: shot.user }),
    HostConfig: {
      AutoRemove: removesItself,
      Binds: Object.entries(shot.volumes ?? {}).map((pair) => pair.join(":")),
      NetworkMode: shot.network ?? "none",
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      // Dumps and rows pass through: the engine's log driver would write them to disk or send them away.
      LogConfig: { Type: "none", Config: {} },
    },
  };
}

/** Copies a path of an image out as a tar archive; nothing of the image is run. */
export async function copyOut(
  docker: Docker,
  image: string,
  path: string,
  to: Writable,
): Promise<void> {
  const container = await docker.createContainer({
    Image: image,
    Labels: { [shotLabel]: processMark },
  });
  try {
    await pipeline(await container.getArchive({ path }), to);
  } finally {
    await container.remove({ force: true, v: true });
  }
}

/** Removes what a killed run of this host left. */
export async function sweepShots(docker: Docker): Promise<void> {
  const filters = { label: [shotLabel] };
  for (const shot of await docker.listContainers({ all: true, filters })) {
    if (!hasEnded(shot.Labels[shotLabel])) continue;
    try {
      await docker.getContainer(shot.Id).remove({ force: true, v: true });
    } catch (error) {
      // Another run of this host sweeps too: it has gone, or is going.
      const { statusCode } = error as { statusCode?: number };
      if (statusCode !== 404 && statusCode !== 409) throw error;
    }
  }
}

/** A command to be run in a running container, with all its streams. */
function createExec(docker: Docker, id: string, argv: readonly string[], io: CommandIo) {
  return docker.getContainer(id).exec({
    Cmd: [...argv],
    Env: variables(io.environment),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    ...(io.user === undefined ? {} : { User: io.user }),
  });
}

/** Runs a command in a running container to its end. */
export async function execOnce(
  docker: Docker,
  id: string,
  argv: readonly string[],
  io: CommandIo = {},
): Promise<CommandResult> {
  const exec = await createExec(docker, id, argv, io);
  const stream = await duplexOptions((how) => exec.start(how));
  const said = await converse(stream, io);
  const { ExitCode: code } = await exec.inspect();
  return { code: code ?? -1, ...said };
}

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
  const exec = await createExec(docker, id, argv, io);
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

/** The last lines a container wrote to either stream. */
export async function tailLogs(docker: Docker, id: string, lines: number): Promise<string> {
  const logs = await docker.getContainer(id).logs({ stdout: true, stderr: true, tail: lines });
  const out = gather();
  const source = new PassThrough();
  docker.modem.demuxStream(source, out.stream, out.stream);
  source.end(logs);
  await new Promise((resolve) => source.once("end", resolve).resume());
  return out.text().trimEnd();
}

/** Hands on each line a container writes until it ends or the signal says stop. */
export async function followLogs(
  docker: Docker,
  id: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
  tail: number,
): Promise<void> {
  const { createInterface } = await import("node:readline");
  const options = { stdout: true, stderr: true, follow: true as const, tail, abortSignal: signal };
  const stream = await docker.getContainer(id).logs(options);
  const merged = new PassThrough();
  docker.modem.demuxStream(stream, merged, merged);
  stream.once("end", () => merged.end()).once("error", () => merged.end());
  signal.addEventListener("abort", () => merged.end(), { once: true });
  for await (const line of createInterface({ input: merged })) onLine(line);
}

/** Environment variables as the engine takes them: NAME=value. */
export const variables = (environment: Readonly<Record<string, string>> = {}) =>
  Object.entries(environment).map(([name, value]) => `${name}=${value}`);
