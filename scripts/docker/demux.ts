import { PassThrough, type Duplex, type Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

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
