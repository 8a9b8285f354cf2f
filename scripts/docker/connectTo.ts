import { Duplex, Readable } from "node:stream";
import type Docker from "dockerode";
import { duplexOptions } from "./duplexOptions.ts";
import { demux } from "./demux.ts";

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
