import { Duplex, PassThrough, Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";

const headerBytes = 8;
const standardError = 2;

/**
 * Docker's one stream of a command's two outputs, taken apart again: standard output is
 * yielded, at the pace it is taken at; standard error is handed over.
 */
export async function* demux(
  source: AsyncIterable<Buffer>,
  onError: (chunk: Buffer) => void,
): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= headerBytes) {
      const end = headerBytes + rest.readUInt32BE(4);
      if (rest.length < end) break;
      const payload = rest.subarray(headerBytes, end);
      if (rest[0] === standardError) onError(payload);
      else yield payload;
      rest = rest.subarray(end);
    }
  }
  if (rest.length > 0) throw new Error("the engine's answer broke off");
}

/**
 * Moves a command's input and output until it has closed both.
 * @returns its two outputs as text; the first is empty where it went into `sink`
 */
export async function converse(
  stream: Duplex,
  io: { readonly stdin?: string | Readable; readonly stdout?: Writable },
): Promise<{ stdout: string; stderr: string }> {
  const errors: Buffer[] = [];
  const output: Buffer[] = [];
  const sink = io.stdout ?? new PassThrough().on("data", (chunk: Buffer) => output.push(chunk));
  const reading = pipeline(
    stream,
    (source: AsyncIterable<Buffer>) => demux(source, (chunk) => errors.push(chunk)),
    sink,
  );
  // A command that ends early does not read all it is given: its exit code tells why.
  const writing =
    typeof io.stdin === "object"
      ? pipeline(io.stdin, stream).catch(() => undefined)
      : void stream.end(io.stdin ?? "");
  await Promise.all([reading, writing]);
  const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString("utf8");
  return { stdout: text(output), stderr: text(errors) };
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
  const stream = await duplexOptions((how) => exec.start(how));
  const readable = Readable.from(demux(stream, () => undefined));
  // The types know only the web's streams here; Node pairs its own the same way.
  return Duplex.from({ readable, writable: stream } as never);
}

interface Gathered {
  readonly stream: PassThrough;
  readonly text: () => string;
}

/** Gathers what a stream brought, as text only at the end: a chunk may cut a character in two. */
export function gather(): Gathered {
  const chunks: Buffer[] = [];
  const stream = new PassThrough();
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}

/**
 * Waits until what was gathered matches.
 * @throws Error with what was said where it ended before that
 */
export async function matched(out: Gathered, until: RegExp, ended: Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    out.stream.on("data", () => until.test(out.text()) && resolve());
    void ended.then(() => reject(new Error(`ended before it was ready: ${out.text().trim()}`)));
  });
}

/** How the engine is asked for a stream both ways. */
interface DuplexOptions {
  readonly hijack: true;
  readonly stdin: true;
  readonly abortSignal: AbortSignal;
}

/**
 * A stream to a process in a container and back. Where the engine refuses it, as its container has
 * gone meanwhile, docker-modem 5 leaves the request open, and this process would never end.
 */
export async function duplexOptions<Stream>(
  open: (how: DuplexOptions) => Promise<Stream>,
): Promise<Stream> {
  const refused = new AbortController();
  try {
    return await open({ hijack: true, stdin: true, abortSignal: refused.signal });
  } catch (error) {
    refused.abort();
    throw error;
  }
}
