import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import type { CommandResult, OneShot } from "./engine.ts";

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
  stdin?: string,
): Promise<CommandResult> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...argv],
    AttachStdin: stdin !== undefined,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({ hijack: stdin !== undefined, stdin: stdin !== undefined });
  const out = gather();
  const err = gather();
  docker.modem.demuxStream(stream, out.stream, err.stream);
  if (stdin !== undefined) stream.end(stdin);
  await new Promise((resolve, reject) => stream.once("end", resolve).once("error", reject));
  const { ExitCode: code } = await exec.inspect();
  return { code: code ?? -1, stdout: out.text(), stderr: err.text() };
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
    const out = gather();
    const err = gather();
    docker.modem.demuxStream(stream, out.stream, err.stream);
    const ended = new Promise((resolve) => stream.once("end", resolve).once("close", resolve));
    await container.start();
    stream.end(shot.stdin ?? "");
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    await ended;
    return { code, stdout: out.text(), stderr: err.text() };
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
    stream.write(shot.stdin ?? "");
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
    Env: Object.entries(shot.environment ?? {}).map(([name, value]) => `${name}=${value}`),
    Labels: { "letta-stack.oneshot": "true" },
    OpenStdin: true,
    StdinOnce: true,
    HostConfig: {
      NetworkMode: shot.network ?? "none",
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
    },
  });
  const how = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
  return { container, stream: await container.attach(how) };
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
