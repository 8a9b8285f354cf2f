import { Readable, type Duplex } from "node:stream";
import type Docker from "dockerode";
import { duplexOptions } from "./duplexOptions.ts";
import type { Held, NameTaken } from "./engine.ts";
import { keepAlive } from "./keepAlive.ts";
import { archiveOf, lockImage, lockProgram, lockProgramPath } from "./lockProgram.ts";

/** Six MiB is the least memory that the engine gives. */
const memoryBytes = 6 * 1024 * 1024;

/**
 * Takes a name on the engine for as long as this process' connection to it lives: a container of
 * that name, which the engine makes once, whose program ends with its input and is removed then.
 * @param labels for others to read
 * @returns undefined where it is just being given back
 */
export async function holdName(
  docker: Docker,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<Held | NameTaken | undefined> {
  const container = await create(docker, name, labels);
  if (container === undefined) return occupant(docker, name);
  try {
    const requested = { stream: true, stdout: true, stderr: true };
    const stream = await duplexOptions((how) => container.attach({ ...how, ...requested }));
    const ended = new Promise<void>((resolve) =>
      stream.once("close", resolve).once("end", resolve),
    );
    const { isAlive, stop } = keepAlive(stream as Duplex, { question: ".\n", answer: "." });
    await container.start();
    if (!(await isAlive())) throw new Error(`${name}: expected its program to answer, it ended`);
    const release = async () => {
      stop();
      (stream as Duplex).end();
      await ended;
    };
    return { isAlive, release };
  } catch (error) {
    // Another run may have removed it as a leftover before it was started.
    if (statusOf(error) === 404) return undefined;
    await container.remove({ force: true });
    throw error;
  }
}

/** @returns undefined where the name is taken */
async function create(
  docker: Docker,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<Docker.Container | undefined> {
  const options: Docker.ContainerCreateOptions = {
    name,
    Image: `${lockImage.repo}:${lockImage.tag}`,
    Entrypoint: [`/${lockProgramPath}`],
    User: "65534:65534",
    Labels: { ...labels },
    OpenStdin: true,
    StdinOnce: true,
    StopSignal: "SIGKILL", // the first process of a container ignores others
    HostConfig: {
      AutoRemove: true,
      NetworkMode: "none",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      Memory: memoryBytes,
      PidsLimit: 1,
      LogConfig: { Type: "none", Config: {} },
    },
  };
  try {
    return await docker.createContainer(options);
  } catch (error) {
    if (statusOf(error) === 409) return undefined;
    if (statusOf(error) !== 404) throw error;
  }
  await importProgram(docker);
  return create(docker, name, labels);
}

async function importProgram(docker: Docker): Promise<void> {
  const { Arch: architecture } = await docker.version();
  const archive = archiveOf(lockProgramPath, lockProgram(architecture));
  const stream = await docker.importImage(Readable.from([archive]), lockImage);
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error) => (error ? reject(error) : resolve()));
  });
}

async function occupant(docker: Docker, name: string): Promise<NameTaken | undefined> {
  try {
    const { Id: id, State: state, Config: config } = await docker.getContainer(name).inspect();
    return { id, state: state.Status as NameTaken["state"], labels: config.Labels };
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
}

function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number }).statusCode;
}
