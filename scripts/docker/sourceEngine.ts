import type { Readable } from "node:stream";
import type Docker from "dockerode";
import { processMark } from "../common/processMark.ts";
import { connect } from "./dockerEngine.ts";
import type { Endpoint } from "./endpoint.ts";
import { shotLabel, tailLogs, variables } from "./runInContainer.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A container of anyone's, as far as its database's data is concerned. */
export interface FoundContainer {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly state: string;
  /** Secrets stand in it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly mounts: readonly FoundMount[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface FoundMount {
  /** A volume's name, or a path of the engine's host. */
  readonly source: string;
  readonly destination: string;
}

/** Where a data directory is: in a container that does not run, in a volume, or on the engine's host. */
export type DataPlace =
  | { readonly container: string; readonly path: string }
  | { readonly volume: string }
  | { readonly folder: string };

/** A database server of its own for a moment: no network, and gone with this process. */
export interface ScratchServer {
  readonly id: string;
  isRunning(): Promise<boolean>;
  /** What it wrote last. */
  tail(): Promise<string>;
  remove(): Promise<void>;
}

/** What is asked of an engine about an installation that is not the tool's: nothing of it is changed. */
export interface SourceEngine {
  /** By name or id; undefined where there is none. */
  container(name: string): Promise<FoundContainer | undefined>;
  /** All there are, running or not. */
  containers(): Promise<FoundContainer[]>;
  hasVolume(name: string): Promise<boolean>;
  /** The names of the images on the engine. */
  images(): Promise<string[]>;
  /**
   * A path of a data directory as a tar archive, read through the engine; undefined where there is none.
   * @param helper an image that is here; a container of it is created for a volume or a folder, and never started
   */
  read(place: DataPlace, path: string, helper: string): Promise<Readable | undefined>;
  /** The files below a path of a container, by their paths in it; none where it does not exist. */
  files(container: string, path: string): Promise<FoundFile[]>;
  /**
   * Starts an image's PostgreSQL, reachable only in its own network namespace, where it asks no password.
   * @param data a data directory as `read` gives it; an empty cluster where it is left out
   */
  scratch(image: string, data?: ScratchData): Promise<ScratchServer>;
}

export interface FoundFile {
  /** Relative to the folder that was asked for. */
  readonly path: string;
  readonly bytes: number;
}

export interface ScratchData {
  readonly archive: Readable;
  /** The top folder in the archive. */
  readonly name: string;
}

/** Where helpers mount what they read. */
const mounted = "/source/data";
const parent = "/var/lib/postgresql";

/** Everyone inside is trusted, as no one else gets there; nothing is archived, replicated or run by a copy. */
const start = `printf 'local all all trust\\nhost all all 127.0.0.1/32 trust\\n' > /tmp/hba &&
chmod 644 /tmp/hba && exec docker-entrypoint.sh postgres -c hba_file=/tmp/hba -c listen_addresses=127.0.0.1 \\
  -c port=5432 -c ssl=off -c archive_mode=off -c fsync=off -c max_connections=50`;

/** The Docker engine, asked about installations of others. */
export function sourceEngine(where: Endpoint, environment: Environment): SourceEngine {
  const docker = connect(where, { ...environment, ...where.variables });
  const container = async (name: string) => {
    const found = await orMissing(docker.getContainer(name).inspect());
    return found && described(found);
  };
  return {
    container,
    async containers() {
      const listed = await docker.listContainers({ all: true });
      const found = await Promise.all(listed.map(({ Id: id }) => container(id)));
      return found.filter((one) => one !== undefined);
    },
    hasVolume: async (name) => (await orMissing(docker.getVolume(name).inspect())) !== undefined,
    async images() {
      return (await docker.listImages()).flatMap((one) => one.RepoTags ?? []);
    },
    async read(place, path, helper) {
      if ("container" in place) return archive(docker.getContainer(place.container), path);
      const [source, type] =
        "volume" in place ? [place.volume, "volume" as const] : [place.folder, "bind" as const];
      const created = await orMissing(
        docker.createContainer({
          Image: helper,
          Labels: { [shotLabel]: processMark },
          HostConfig: {
            NetworkMode: "none",
            Mounts: [{ Type: type, Source: source, Target: mounted, ReadOnly: true }],
          },
        }),
        /bind source path does not exist/u,
      );
      if (created === undefined) return undefined;
      const remove = () => created.remove({ force: true, v: true });
      try {
        const found = await archive(created, path === "" ? mounted : `${mounted}/${path}`);
        if (found === undefined) await remove();
        else found.once("close", () => void remove().catch(() => undefined));
        return found;
      } catch (error) {
        await remove();
        throw error;
      }
    },
    async files(id, path) {
      const found = await archive(docker.getContainer(id), `${path}/.`);
      return found === undefined ? [] : listArchive(found);
    },
    scratch: (image, data) => scratch(docker, image, data),
  };
}

const block = 512;

/**
 * The files of a tar archive (POSIX ustar, as the engine writes it); their contents are passed over.
 * Names of more than 255 bytes, which need another header, are cut off.
 */
export async function listArchive(tar: AsyncIterable<Buffer>): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let skip = 0;
  for await (const chunk of tar) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      const passed = Math.min(skip, rest.length);
      [rest, skip] = [rest.subarray(passed), skip - passed];
      if (skip > 0 || rest.length < block) break;
      const text = (from: number, to: number) =>
        rest.subarray(from, to).toString("utf8").replace(/\0.*$/su, "");
      const bytes = Number.parseInt(text(124, 136), 8) || 0;
      const path = [text(345, 500), text(0, 100)].filter(Boolean).join("/").replace(/^\.\//u, "");
      if (text(156, 157) === "0" && path !== "") found.push({ path, bytes });
      skip = block + Math.ceil(bytes / block) * block;
    }
  }
  return found;
}

async function scratch(docker: Docker, image: string, data?: ScratchData): Promise<ScratchServer> {
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ["sh", "-ec"],
    Cmd: [start],
    Env: variables({
      PGDATA: `${parent}/${data?.name ?? "data"}`,
      POSTGRES_USER: "postgres",
      POSTGRES_PASSWORD: "unused",
      LETTA_PG_URI: "",
    }),
    User: "0",
    Labels: { [shotLabel]: processMark },
    HostConfig: {
      NetworkMode: "none",
      CapDrop: ["ALL"],
      CapAdd: ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"],
      SecurityOpt: ["no-new-privileges:true"],
      LogConfig: { Type: "json-file", Config: {} },
      ShmSize: 256 * 1024 * 1024,
    },
  });
  const remove = async () => {
    await container.remove({ force: true, v: true });
  };
  try {
    if (data !== undefined) await container.putArchive(data.archive, { path: parent });
    await container.start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    id: container.id,
    isRunning: async () => (await container.inspect()).State.Running,
    tail: () => tailLogs(docker, container.id, 20),
    remove,
  };
}

async function archive(container: Docker.Container, path: string): Promise<Readable | undefined> {
  return (await orMissing(container.getArchive({ path }))) as Readable | undefined;
}

/** Undefined for what the engine says it does not have. @param words how else it says so */
async function orMissing<Result>(
  work: Promise<Result>,
  words?: RegExp,
): Promise<Result | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    if (words?.test((error as Error).message) === true) return undefined;
    throw error;
  }
}

function described(found: Docker.ContainerInspectInfo): FoundContainer {
  const pairs = (found.Config.Env ?? []).map((one) => {
    const at = one.indexOf("=");
    return [one.slice(0, at), one.slice(at + 1)] as const;
  });
  return {
    id: found.Id,
    name: found.Name.slice(1),
    image: found.Config.Image,
    imageId: found.Image,
    state: found.State.Status,
    environment: Object.fromEntries(pairs),
    mounts: found.Mounts.map((one) => ({
      source: one.Name ?? one.Source,
      destination: one.Destination,
    })),
    labels: found.Config.Labels ?? {},
  };
}
