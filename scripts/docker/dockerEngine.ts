import Docker from "dockerode";
import { readdirSync, readFileSync } from "node:fs";
import { buildImage, importBase } from "./buildImage.ts";
import {
  composeCreate,
  composeScaleUp,
  composeDown,
  composeStart,
  composeVersion,
} from "./compose.ts";
import { connectTo } from "./demux.ts";
import { type Endpoint, sshAgent } from "./endpoint.ts";
import type { Engine, ObservedContainer } from "./engine.ts";
import {
  copyOut,
  detach,
  execHeld,
  execOnce,
  followLogs,
  runHeld,
  runOnce,
  stay,
  sweepShots,
  tailLogs,
} from "./runInContainer.ts";
import { holdName } from "./holdName.ts";
import { pullImage } from "./pullImage.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Of GET /info, which dockerode does not type. */
interface EngineInfo {
  readonly NCPU: number;
  readonly CpuCfsQuota: boolean;
}

/**
 * The Docker engine behind its socket, and the Compose CLI pointed at the same one.
 * @param environment for the CLI's processes
 */
export function dockerEngine(where: Endpoint, environment: Environment): Engine {
  // Compose alone would take another platform than the one that images are checked for.
  const cli = { ...environment, ...where.variables, DOCKER_DEFAULT_PLATFORM: undefined };
  const docker = connect(where, cli);
  return {
    endpoint: where.address,
    context: where.context,
    async ping() {
      await docker.ping();
    },
    async versions() {
      const [engine, compose] = await Promise.all([docker.version(), composeVersion(cli)]);
      return { engine: engine.Version, compose };
    },
    async platform() {
      const { Os: os, Arch: architecture } = await docker.version();
      return `${os}/${architecture}`;
    },
    async cpus() {
      const { NCPU: count, CpuCfsQuota: hasQuota } = (await docker.info()) as EngineInfo;
      return hasQuota ? count : 0;
    },
    async containers(project) {
      const filters = { label: [`com.docker.compose.project=${project}`] };
      const found = await docker.listContainers({ all: true, filters });
      return found.map(listed).filter((one) => one.labels["com.docker.compose.oneoff"] !== "True");
    },
    async image(reference) {
      try {
        const found = await docker.getImage(reference).inspect();
        const platform = `${found.Os}/${found.Architecture}`;
        return { id: found.Id, digests: found.RepoDigests ?? [], platform };
      } catch (error) {
        if ((error as { statusCode?: number }).statusCode === 404) return undefined;
        throw error;
      }
    },
    async tag(image, reference) {
      const colon = reference.lastIndexOf(":");
      const parts = { repo: reference.slice(0, colon), tag: reference.slice(colon + 1) };
      await docker.getImage(image).tag(parts);
    },
    untag: (reference) => settled(docker.getImage(reference).remove()),
    async tagged(prefix) {
      const found = await docker.listImages({ filters: { reference: [`${prefix}*`] } });
      return found.flatMap((one) =>
        (one.RepoTags ?? [])
          .filter((reference) => reference.startsWith(prefix))
          .map((reference) => ({ reference, id: one.Id })),
      );
    },
    pull: (reference, report, signal) =>
      pullImage(docker, reference, report, { signal, environment: cli }),
    build: (request, report, signal) => buildImage(cli, request, report, signal),
    importBase: (root, mirror, tag) => importBase(cli, root, mirror, tag),
    create: (call, services) => composeCreate(cli, call, services),
    scaleUp: (call, service) => composeScaleUp(cli, call, service),
    down: (project, volumes) => composeDown(cli, project, volumes),
    async inspect(id) {
      const found = await docker.getContainer(id).inspect();
      const { State: state, Config: config } = found;
      return {
        id: found.Id,
        name: found.Name.slice(1),
        service: config.Labels["com.docker.compose.service"] ?? "",
        state: state.Status as ObservedContainer["state"],
        health: (state.Health?.Status ?? "none") as ObservedContainer["health"],
        exitCode: state.Running || state.Status === "created" ? undefined : state.ExitCode,
        image: config.Image,
        imageId: found.Image,
        labels: config.Labels,
        restarts: found.RestartCount,
        startedAt: state.StartedAt,
        healthOutput: state.Health?.Log?.at(-1)?.Output ?? "",
        healthAt: state.Health?.Log?.at(-1)?.Start ?? "",
        made: madeWith(found),
      };
    },
    startWithFiles: (call, service) => composeStart(cli, call, service),
    start: (id) => settled(docker.getContainer(id).start(), [304]),
    stop: (id, graceSeconds, signal) =>
      settled(docker.getContainer(id).stop({ t: graceSeconds, ...(signal && { signal }) })),
    remove: (id) => settled(docker.getContainer(id).remove({ force: true })),
    tail: (id, lines) => tailLogs(docker, id, lines),
    follow: (id, onLine, signal, tail) => followLogs(docker, id, onLine, signal, tail),
    exec: (id, argv, io) => execOnce(docker, id, argv, io),
    connect: (id, port) => connectTo(docker, id, port),
    hold: (id, argv, io, until) => execHeld(docker, id, argv, io, until),
    holdName: (name, labels) => holdName(docker, name, labels),
    async removeStopped(id) {
      try {
        await docker.getContainer(id).remove();
        return true;
      } catch (error) {
        const { statusCode } = error as { statusCode?: number };
        if (statusCode !== 404 && statusCode !== 409) throw error;
        return statusCode === 404;
      }
    },
    run: (shot) => runOnce(docker, shot),
    detach: (shot) => detach(docker, shot),
    stay: (shot, beat) => stay(docker, shot, beat),
    runHeld: (shot, until) => runHeld(docker, shot, until),
    copyOut: (image, path, to) => copyOut(docker, image, path, to),
    async volumes(project) {
      const filters = { label: [`com.docker.compose.project=${project}`] };
      const { Volumes: found } = await docker.listVolumes({ filters: JSON.stringify(filters) });
      return (found ?? []).map((volume) => volume.Name).sort();
    },
    async volumeOwners() {
      const { Volumes: found } = await docker.listVolumes();
      const owner = (labels?: Record<string, string>) =>
        labels?.["com.docker.compose.project"] ?? "";
      return new Map((found ?? []).map((one) => [one.Name, owner(one.Labels)]));
    },
    othersAtWork: async (project) => composeProcesses(project),
    sweep: () => sweepShots(docker),
    async publisher(port) {
      const [found] = await docker.listContainers({ filters: { publish: [String(port)] } });
      return found?.Names[0]?.slice(1);
    },
    async dataRoot() {
      return ((await docker.info()) as { DockerRootDir: string }).DockerRootDir;
    },
  };
}

/** Each option is given: docker-modem takes what is left out from the process environment. */
export function connect({ address, tls }: Endpoint, environment: Environment): Docker {
  const none = { host: undefined, port: undefined, ca: undefined, cert: undefined, key: undefined };
  const plain = { ...none, protocol: "http", pathPrefix: "/", timeout: undefined };
  if (address.startsWith("unix://")) return open({ ...plain, socketPath: address.slice(7) });
  if (address.startsWith("ssh://")) {
    return open({ ...plain, host: "engine", port: 80, agent: sshAgent(address, environment) });
  }
  const { hostname: host, port } = new URL(address);
  if (tls === undefined) return open({ ...plain, host, port });
  return open({ ...plain, protocol: "https", host, port, ...tls });
}

/** The types take no undefined, which alone keeps docker-modem's own defaults away. */
const open = (options: object) => new Docker(options as Docker.DockerOptions);

/**
 * 304: it is already as asked. 404 and 409: it has gone meanwhile, which a stop and a removal want;
 * a start fails with their explanation of what it lacks, such as its network.
 */
async function settled(work: Promise<unknown>, fine = [304, 404, 409]): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!fine.includes((error as { statusCode?: number }).statusCode ?? 0)) throw error;
  }
}

/** What a container was made with: what changes while it runs, or by its mere age, left out. */
function madeWith(found: Docker.ContainerInspectInfo): string {
  const { Config: config, HostConfig: host } = found;
  const mounts = found.Mounts.map((one) => [
    one.Type,
    one.Name ?? one.Source,
    one.Destination,
    one.RW,
  ]);
  return JSON.stringify({
    image: found.Image,
    environment: [...(config.Env ?? [])].sort(),
    command: [config.Entrypoint, config.Cmd, config.User, config.WorkingDir],
    mounts: mounts.map(String).sort(),
    tmpfs: host.Tmpfs,
    ports: host.PortBindings,
    networks: Object.keys(found.NetworkSettings.Networks).sort(),
    limits: [host.Memory, host.NanoCpus, host.PidsLimit],
    rights: [host.Privileged, host.CapAdd, host.CapDrop, host.SecurityOpt, host.ReadonlyRootfs],
    restart: host.RestartPolicy?.Name,
  });
}

function listed(info: Docker.ContainerInfo): ObservedContainer {
  const health = /\((healthy|unhealthy|health: starting)\)/.exec(info.Status)?.[1];
  const exit = /^Exited \((\d+)\)/.exec(info.Status)?.[1];
  return {
    id: info.Id,
    name: info.Names[0]?.slice(1) ?? "",
    service: info.Labels["com.docker.compose.service"] ?? "",
    state: info.State as ObservedContainer["state"],
    health:
      health === undefined
        ? "none"
        : health === "health: starting"
          ? "starting"
          : (health as "healthy"),
    exitCode: exit === undefined ? undefined : Number(exit),
    image: info.Image,
    imageId: info.ImageID,
    labels: info.Labels,
    addresses: Object.values(info.NetworkSettings.Networks)
      .flatMap((one) => [one.IPAddress, one.GlobalIPv6Address])
      .filter(Boolean),
  };
}

/**
 * Counts the Compose processes that work on a project, by their command lines. A `docker
 * compose` outlives the tool that started it when that is killed. Elsewhere than on Linux
 * none are seen.
 */
function composeProcesses(project: string): number {
  return processes().filter(
    (argv) =>
      argv.some((one) => /(^|\/)(docker|docker-compose)$/.test(one)) && names(argv, project),
  ).length;
}

function names(argv: readonly string[], project: string): boolean {
  const at = argv.indexOf("--project-name");
  return at >= 0 && argv[at + 1] === project;
}

function processes(): string[][] {
  let ids: string[];
  try {
    ids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return ids.map((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0");
    } catch {
      return []; // it has ended meanwhile
    }
  });
}
