import { readFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { parse } from "yaml";
import type {
  ComposeCall,
  Engine,
  NameTaken,
  ObservedContainer,
} from "../../scripts/docker/engine.ts";

/** How the process in a service's container behaves once it is started. */
export interface Behaviour {
  /** What it comes to: a service its health, a job its exit code; a number for a service is a crash. */
  readonly ends?: "healthy" | "unhealthy" | number;
  /** How often it is looked at before it comes to that. */
  readonly after?: number;
  readonly log?: string;
}

export interface Simulation {
  readonly behaviours?: Readonly<Record<string, Behaviour>>;
  /** Images that are on the engine from the start, each under its own name. */
  readonly images?: readonly string[];
  /** Names that others hold from the start, or have left behind. */
  readonly names?: Readonly<Record<string, NameTaken>>;
  /** Called before a call has its effect; may throw, or abort a signal. */
  before?: (call: string) => void;
  /** Called after it, before the caller learns of it. */
  after?: (call: string) => void;
}

export interface SimulatedEngine extends Engine {
  /** Every call that changes something, in order: "start server". */
  readonly changes: readonly string[];
  /** Every call. */
  readonly calls: readonly string[];
  /** The names that are held: deleting one ends its holder's connection. */
  readonly names: Map<string, NameTaken>;
  /** Puts a container there as another run left it. */
  put(project: string, container: Partial<ObservedContainer> & { service: string }): void;
}

interface Container {
  readonly project: string;
  observed: ObservedContainer;
  readonly checked: boolean;
  readonly job: boolean;
  /** Since it was started. */
  looks: number;
  starts: number;
}

interface ServiceInFile {
  readonly image: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly restart?: string;
  readonly healthcheck?: unknown;
}

/** Compose's own start of one service takes its time: other calls come in between. */
const composeTurns = 40;

const platform = "linux/amd64";

/**
 * Stands for a Docker engine with Compose on it, in memory: containers with their states,
 * volumes, images, and what Compose does with a rendered file. Its processes do nothing but
 * come to the end a test gives them; networks, ports and files in containers are not in it.
 */
export function simulatedEngine(simulation: Simulation = {}): SimulatedEngine {
  const containers = new Map<string, Container>();
  const volumes = new Set<string>();
  /** Each name's image: one that was there from the start has its name as its id. */
  const images = new Map((simulation.images ?? []).map((name) => [name, name]));
  const heldNames = new Map(Object.entries(simulation.names ?? {}));
  const calls: string[] = [];
  const changes: string[] = [];
  let made = 0;

  const act = async <Result>(
    name: string,
    changing: boolean,
    work: () => Result,
  ): Promise<Result> => {
    await turn();
    calls.push(name);
    if (changing) changes.push(name);
    simulation.before?.(name);
    const result = work();
    simulation.after?.(name);
    await turn();
    return result;
  };
  const change = <Result>(name: string, work: () => Result) => act(name, true, work);
  const look = <Result>(name: string, work: () => Result) => act(name, false, work);
  const find = (id: string): Container => {
    const found = containers.get(id);
    if (found === undefined)
      throw Object.assign(new Error(`no container ${id}`), { statusCode: 404 });
    return found;
  };
  const serviceOf = (id: string) => containers.get(id)?.observed.service ?? "(gone)";
  const of = (project: string) => [...containers.values()].filter((one) => one.project === project);
  const set = (container: Container, parts: Partial<ObservedContainer>) => {
    container.observed = { ...container.observed, ...parts };
  };
  const run = (container: Container) => {
    if (container.observed.state === "running") return;
    container.looks = 0;
    container.starts += 1;
    set(container, {
      state: "running",
      exitCode: undefined,
      health: container.checked ? "starting" : "none",
    });
  };
  const progress = (container: Container) => {
    // What another run left stays as it was until it is started here.
    if (container.observed.state !== "running" || container.starts === 0) return;
    const behaviour = simulation.behaviours?.[container.observed.service] ?? {};
    const ends = behaviour.ends ?? (container.job ? 0 : "healthy");
    container.looks += 1;
    if (container.looks <= (behaviour.after ?? 0)) return;
    if (typeof ends === "number")
      set(container, { state: "exited", exitCode: ends, health: "none" });
    else if (container.checked) set(container, { health: ends });
  };
  const make = (call: ComposeCall, service: string): Container => {
    const file = parse(readFileSync(call.file, "utf8")) as {
      services: Record<string, ServiceInFile>;
      volumes?: Record<string, unknown>;
    };
    const requested = file.services[service];
    if (requested === undefined) throw new Error(`no such service: ${service}`);
    for (const volume of Object.keys(file.volumes ?? {})) volumes.add(`${call.project}_${volume}`);
    for (const [id, one] of containers) {
      if (one.project === call.project && one.observed.service === service) containers.delete(id);
    }
    const id = `container-${(made += 1)}`;
    const container: Container = {
      project: call.project,
      job: requested.restart === "no",
      checked: requested.healthcheck !== undefined,
      looks: 0,
      starts: 0,
      observed: {
        id,
        service,
        name: `${call.project}-${service}-1`,
        state: "created",
        health: "none",
        exitCode: undefined,
        image: requested.image,
        imageId: requested.image,
        labels: requested.labels ?? {},
      },
    };
    containers.set(id, container);
    return container;
  };
  const pulled = (name: string, reference: string) =>
    change(name, () => void images.set(reference, reference));
  const held = async (name: string): Promise<() => Promise<void>> => {
    await change(`hold ${name}`, () => undefined);
    return () => change(`release ${name}`, () => undefined);
  };

  return {
    endpoint: "unix:///simulated",
    context: undefined,
    names: heldNames,
    calls,
    changes,
    put(project, parts) {
      const id = `container-${(made += 1)}`;
      const observed: ObservedContainer = {
        id,
        name: `${project}-${parts.service}-1`,
        state: "running",
        health: "healthy",
        exitCode: undefined,
        image: "image",
        imageId: "image",
        labels: {},
        ...parts,
      };
      const checked = observed.health !== "none";
      containers.set(id, {
        project,
        observed,
        checked,
        job: parts.health === "none",
        looks: 0,
        starts: 0,
      });
    },
    ping: () => look("ping", () => undefined),
    versions: () => look("versions", () => ({ engine: "26.1.5", compose: "2.40.3" })),
    platform: () => look("platform", () => platform),
    cpus: () => Promise.resolve(2),
    containers: (project) => look("containers", () => of(project).map((one) => one.observed)),
    image: (reference) =>
      look(`image ${reference}`, () =>
        images.has(reference) ? { id: images.get(reference)!, digests: [], platform } : undefined,
      ),
    tag: (image, reference) =>
      change(`tag ${reference}`, () => void images.set(reference, images.get(image) ?? image)),
    untag: (reference) => change(`untag ${reference}`, () => void images.delete(reference)),
    tagged: (prefix) =>
      look(`tagged ${prefix}`, () =>
        [...images]
          .filter(([reference]) => reference.startsWith(prefix))
          .map(([reference, id]) => ({ reference, id })),
      ),
    pull: (reference) => pulled(`pull ${reference}`, reference),
    build: (request) => pulled(`build ${request.tag}`, request.tag),
    importBase: (_root, _mirror, tag) => pulled(`import ${tag}`, tag),
    scaleUp: (call, service) => change(`create another ${service}`, () => void make(call, service)),
    create: (call, services) =>
      change(`create ${services.join(" ")}`, () =>
        services.forEach((service) => make(call, service)),
      ),
    down: (project, withVolumes) =>
      change(withVolumes ? "down with volumes" : "down", () => {
        for (const one of of(project)) containers.delete(one.observed.id);
        if (!withVolumes) return;
        for (const volume of volumes) if (volume.startsWith(`${project}_`)) volumes.delete(volume);
      }),
    inspect: (id) =>
      look(`inspect ${serviceOf(id)}`, () => {
        const container = find(id);
        progress(container);
        return {
          ...container.observed,
          restarts: 0,
          startedAt: String(container.starts),
          healthOutput: "",
          healthAt: "",
          made: container.observed.labels["letta-stack.digest"] ?? "",
        };
      }),
    start: (id) => change(`start ${serviceOf(id)}`, () => run(find(id))),
    async startWithFiles(call, service) {
      for (let turns = 0; turns < composeTurns; turns += 1) await turn();
      // As `up --no-recreate` does: what has gone meanwhile is made anew.
      await change(`compose start ${service}`, () => {
        const there = of(call.project).find((one) => one.observed.service === service);
        run(there ?? make(call, service));
      });
    },
    stop: (id) =>
      change(`stop ${serviceOf(id)}`, () => {
        const container = containers.get(id);
        if (container) set(container, { state: "exited", exitCode: 0, health: "none" });
      }),
    remove: (id) => change(`remove ${serviceOf(id)}`, () => void containers.delete(id)),
    tail: (id) =>
      look(
        `tail ${serviceOf(id)}`,
        () => simulation.behaviours?.[serviceOf(id)]?.log ?? "its last line",
      ),
    follow: (id) => look(`follow ${serviceOf(id)}`, () => undefined),
    exec: (id) => look(`exec ${serviceOf(id)}`, () => ({ code: 0, stdout: "", stderr: "" })),
    connect: () => Promise.reject(new Error("a simulated container listens nowhere")),
    hold: (id) => held(serviceOf(id)),
    holdName: (name, labels) =>
      look(`hold the name ${name}`, () => {
        const taken = heldNames.get(name);
        if (taken !== undefined) return taken;
        const mine = { id: `name-${(made += 1)}`, state: "running" as const, labels };
        heldNames.set(name, mine);
        return {
          isAlive: () => Promise.resolve(heldNames.get(name) === mine),
          release: () =>
            look(`give back the name ${name}`, () => {
              if (heldNames.get(name) === mine) heldNames.delete(name);
            }),
        };
      }),
    removeStopped: (id) =>
      look(`remove stopped ${id}`, () => {
        const [name, taken] = [...heldNames].find(([, one]) => one.id === id) ?? [];
        if (name === undefined || taken!.state === "running") return name === undefined;
        return heldNames.delete(name);
      }),
    detach: (shot) => look(`detach ${shot.image}`, () => undefined),
    run: (shot) => look(`run ${shot.image}`, () => ({ code: 0, stdout: "", stderr: "" })),
    stay: () => Promise.reject(new Error("a simulated engine has no databases")),
    runHeld: (shot) => held(shot.image),
    copyOut: () => Promise.reject(new Error("a simulated image has no files")),
    volumeOwners: () =>
      look(
        "owners of volumes",
        () => new Map([...volumes].map((one) => [one, one.slice(0, one.lastIndexOf("_"))])),
      ),
    volumes: (project) =>
      look("volumes", () => [...volumes].filter((one) => one.startsWith(`${project}_`))),
    othersAtWork: () => look("others at work", () => 0),
    sweep: () => look("sweep", () => undefined),
    publisher: () => look("publisher", () => undefined),
    dataRoot: () => look("data root", () => "/not/on/this/host"),
  };
}
