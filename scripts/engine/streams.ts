import { hostname } from "node:os";
import { Duplex, PassThrough, Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { converse, demux } from "./demux.ts";
import type { CommandIo, CommandResult, OneShot } from "./engine.ts";

/** Says which process a one-shot container belongs to. */
const shotLabel = "letta-stack.oneshot";

const entries = (environment: Readonly<Record<string, string>> = {}) =>
  Object.entries(environment).map(([name, value]) => `${name}=${value}`);

/** Gathers what a stream brought, as text only at the end: a chunk may cut a character in two. */
function gather(): { stream: PassThrough; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}

/** Runs a command in a running container to its end. */
export async function execOnce(
  docker: Docker,
  id: string,
  argv: readonly string[],
  io: CommandIo = {},
): Promise<CommandResult> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    Env: entries(io.environment),
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const said = await converse(stream, io);
  const { ExitCode: code } = await exec.inspect();
  return { code: code ?? -1, ...said };
}

/**
 * A connection to a port of a container, through the busybox that all parts have in /probe:
 * it works where nothing is published, and on an engine far away.
 */
export async function connectTo(docker: Docker, id: string, port: number): Promise<Duplex> {
  const exec = await docker.getContainer(id).exec({
    Cmd: ["/probe/busybox", "nc", "127.0.0.1", String(port)],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const readable = Readable.from(demux(stream, () => undefined));
  // The types know only the web's streams here; Node pairs its own the same way.
  return Duplex.from({ readable, writable: stream } as never);
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
  stdin: string,
  until: RegExp,
): Promise<() => Promise<void>> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true });
  const out = gather();
  docker.modem.demuxStream(stream, out.stream, out.stream);
  const ended = new Promise<void>((resolve) => stream.once("close", resolve).once("end", resolve));
  stream.write(stdin);
  await matched(out, until, ended);
  return async () => {
    stream.end();
    await ended;
  };
}

/** Runs an image once, without a trace of it left. */
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
export async function runHeld(
  docker: Docker,
  shot: OneShot,
  until: RegExp,
): Promise<() => Promise<void>> {
  const { container, stream } = await startShot(docker, shot);
  const release = async () => {
    stream.end();
    await container.remove({ force: true, v: true }); // an image may bring volumes of its own
  };
  try {
    const out = gather();
    docker.modem.demuxStream(stream, out.stream, out.stream);
    const ended = new Promise<void>((resolve) =>
      stream.once("end", resolve).once("close", resolve),
    );
    await container.start();
    stream.write((shot.stdin as string | undefined) ?? "");
    await matched(out, until, ended);
    return release;
  } catch (error) {
    await release();
    throw error;
  }
}

async function startShot(docker: Docker, shot: OneShot) {
  const [program = "", ...rest] = shot.entrypoint;
  const container = await docker.createContainer({
    Image: shot.image,
    Entrypoint: [program],
    Cmd: rest,
    Env: entries(shot.environment),
    Labels: { [shotLabel]: `${hostname()}:${process.pid}` },
    OpenStdin: true,
    StdinOnce: true,
    ...(shot.user === undefined ? {} : { User: shot.user }),
    HostConfig: {
      Binds: Object.entries(shot.volumes ?? {}).map((pair) => pair.join(":")),
      NetworkMode: shot.network ?? "none",
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
    },
  });
  const how = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
  return { container, stream: await container.attach(how) };
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
    Labels: { [shotLabel]: `${hostname()}:${process.pid}` },
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
    const [host, pid] = (shot.Labels[shotLabel] ?? "").split(":");
    if (host !== hostname() || isAlive(Number(pid))) continue;
    await docker.getContainer(shot.Id).remove({ force: true, v: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function matched(
  out: { stream: PassThrough; text: () => string },
  until: RegExp,
  ended: Promise<void>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    out.stream.on("data", () => until.test(out.text()) && resolve());
    void ended.then(() => reject(new Error(`ended before it was ready: ${out.text().trim()}`)));
  });
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
