import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { gather } from "./gather.ts";

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
