import { createHash } from "node:crypto";
import type { Duplex } from "node:stream";
import type { CommandResult, ComposeCall, Engine } from "../../scripts/docker/engine.ts";
import { databaseIn, observed, readComposeFile, type SimulatedContainer } from "./containers.ts";
import { client } from "./psql.ts";
import type { SimulatedServers } from "./servers.ts";
import { printedHistory, versions } from "./versions.ts";

/** The repository of the server's image: "fake server:2.0.0". */
export const serverImage = "fake-server";

/** An id of an image, from what it is called. */
export function imageIdOf(reference: string): string {
  return `sha256:${createHash("sha256").update(reference).digest("hex")}`;
}

const platform = "linux/amd64";
const stopMs = 60;
const composeMs = 40;

/** A Docker engine with Compose, as far as the tool asks: on simulated servers. */
export function engineOn(servers: SimulatedServers): Engine {
  const { world, containers, names } = servers;
  const find = (id: string): SimulatedContainer => {
    const found = containers.get(id);
    if (found === undefined) throw status(404, `no such container: ${id}`);
    return found;
  };
  const called = (id: string) => containers.get(id)?.service ?? "(gone)";
  const look = <Result>(name: string, work: () => Result) => world.effect(name, 2, work);
  const change = <Result>(
    name: string,
    ms: number,
    work: () => Result | Promise<Result>,
    isShared = true,
  ) =>
    world.effect(name, ms, () => {
      servers.world.assertLock(name, isShared);
      return work();
    });
  const idOf = (reference: string): string | undefined => {
    if (names.has(reference)) return names.get(reference);
    if (reference.startsWith("sha256:")) {
      return [...names.values()].includes(reference) ? reference : undefined;
    }
    return undefined;
  };
  /** Compose goes on whatever becomes of the process that called it. */
  const compose = (project: string, steps: readonly (() => void)[]) => {
    const ended = Promise.withResolvers<void>();
    const count = (by: number) =>
      servers.composing.set(project, (servers.composing.get(project) ?? 0) + by);
    count(1);
    const step = (at: number) => {
      if (at === steps.length) {
        count(-1);
        return ended.resolve();
      }
      try {
        steps[at]!();
      } catch (error) {
        count(-1);
        return ended.reject(error as Error);
      }
      world.afterUnlessOff(composeMs, () => step(at + 1));
    };
    world.afterUnlessOff(composeMs, () => step(0));
    return ended.promise;
  };
  const make = (call: ComposeCall, text: string, service: string): SimulatedContainer => {
    const file = readComposeFile(text).services[service];
    if (file === undefined) throw status(400, `no such service: ${service}`);
    const imageId = idOf(file.image);
    if (imageId === undefined) throw status(404, `no such image: ${file.image}`);
    const id = imageIdOf(`container ${(servers.made += 1)}`).slice(7);
    const one: SimulatedContainer = {
      id,
      project: call.project,
      service,
      file,
      database: databaseIn(file, call),
      name: `${call.project}-${service}-1`,
      state: "created",
      health: "none",
      exitCode: undefined,
      imageId,
      restarts: 0,
      startedAt: "",
      life: 0,
      stopped: false,
      connected: false,
    };
    containers.set(id, one);
    return one;
  };
  const there = (call: ComposeCall, service: string) =>
    servers.of(call.project).find((one) => one.service === service);
  const volumesOf = (call: ComposeCall, text: string) => {
    for (const [name, volume] of Object.entries(readComposeFile(text).volumes ?? {})) {
      if (volume?.external !== true) servers.volumes.add(`${call.project}_${name}`);
    }
  };
  /** As `docker compose up --no-start --force-recreate`: made alongside, the old one away, renamed. */
  const creation = (call: ComposeCall, text: string, service: string): (() => void)[] => {
    const old = there(call, service);
    if (old === undefined) return [() => void make(call, text, service)];
    let made: SimulatedContainer | undefined;
    return [
      () => {
        made = make(call, text, service);
        made.name = `${old.id.slice(0, 12)}_${old.name}`;
      },
      () => {
        halt(servers, old);
        containers.delete(old.id);
      },
      () => void (made!.name = `${call.project}-${service}-1`),
    ];
  };
  const recreate = (call: ComposeCall, text: string, service: string) => {
    const numbers = servers
      .of(call.project)
      .filter((one) => one.service === service)
      .map((one) => Number(/-(\d+)$/.exec(one.name)?.[1] ?? 0));
    const number = Math.max(0, ...numbers) + 1;
    make(call, text, service).name = `${call.project}-${service}-${number}`;
  };
  /** A session that is held open until it is let go of, or its process ends. */
  const session = (name: string) =>
    world.effect(`hold ${name}`, 10, () => {
      const count = (by: number) => servers.held.set(name, (servers.held.get(name) ?? 0) + by);
      let isHeld = true;
      const { boot } = world;
      const leave = () => {
        if (isHeld && world.boot === boot) count(-1);
        isHeld = false;
      };
      count(1);
      world.process()?.atEnd.push(leave);
      return () => world.effect("let go", 5, leave);
    });
  const textOf = (call: ComposeCall) =>
    world.look(() => world.disk.fileAt(call.file).data.toString());
  return {
    endpoint: "unix:///simulated",
    context: undefined,
    ping: () => look("ping", () => undefined),
    versions: () => look("versions", () => ({ engine: "26.1.5", compose: "2.40.3" })),
    platform: () => look("platform", () => platform),
    cpus: () => Promise.resolve(2),
    containers: (project) => look("containers", () => servers.of(project).map(observed)),
    image: (reference) =>
      look(`image ${reference.slice(0, 24)}`, () => {
        const id = idOf(reference);
        return id === undefined ? undefined : { id, digests: [], platform };
      }),
    tag: (image, reference) =>
      change(`tag ${reference}`, 2, () => void names.set(reference, image)),
    untag: (reference) => change(`untag ${reference}`, 2, () => void names.delete(reference)),
    tagged: (prefix) =>
      look(`tagged ${prefix}`, () =>
        [...names]
          .filter(([reference]) => reference.startsWith(prefix))
          .map(([reference, id]) => ({ reference, id })),
      ),
    pull: (reference) =>
      change(`pull ${reference}`, 500, () => void names.set(reference, imageIdOf(reference))),
    build: () => Promise.reject(status(500, "nothing is built here")),
    importBase: () => Promise.reject(status(500, "nothing is built here")),
    create: (call, services) =>
      change(`create ${services.join(" ")}`, 20, () => {
        const text = textOf(call);
        volumesOf(call, text);
        return compose(
          call.project,
          services.flatMap((service) => creation(call, text, service)),
        );
      }),
    scaleUp: (call, service) =>
      change(`create another ${service}`, 20, () => {
        const text = textOf(call);
        return compose(call.project, [() => recreate(call, text, service)]);
      }),
    down: (project, volumes) => {
      const work = () => {
        for (const one of servers.of(project)) {
          halt(servers, one);
          containers.delete(one.id);
        }
        for (const one of volumes ? [...servers.volumes] : []) {
          if (one.startsWith(`${project}_`)) servers.volumes.delete(one);
        }
      };
      // What is left of a rehearsal on this engine is no other machine's.
      return change(`down ${project}`, 30, work, project === servers.project);
    },
    inspect: (id) =>
      look(`inspect ${called(id)}`, () => {
        const one = find(id);
        return {
          ...observed(one),
          restarts: one.restarts,
          startedAt: one.startedAt,
          healthOutput: "",
          healthAt: "",
          made: JSON.stringify(one.file.labels ?? {}),
        };
      }),
    start: (id) => change(`start ${called(id)}`, 20, () => servers.start(find(id))),
    startWithFiles: (call, service) =>
      change(`compose start ${service}`, 20, () => {
        const text = textOf(call);
        const start = () => servers.start(there(call, service) ?? make(call, text, service));
        return compose(call.project, [start]);
      }),
    stop: (id) =>
      change(`stop ${called(id)}`, stopMs, () => {
        const one = containers.get(id);
        if (one !== undefined) halt(servers, one);
      }),
    remove: (id) =>
      change(`remove ${called(id)}`, 10, () => {
        const one = containers.get(id);
        if (one === undefined) return;
        halt(servers, one);
        containers.delete(id);
      }),
    tail: (id) => look(`tail ${called(id)}`, () => "its last line"),
    follow: () => Promise.resolve(),
    exec: (id, argv, io = {}) => {
      const one = containers.get(id);
      if (one === undefined) {
        return look("exec", (): CommandResult => {
          throw status(404, `no such container: ${id}`);
        });
      }
      if (one.service === "postgres") return client(servers, world, argv, io);
      return world.effect(`exec ${one.service}`, 10, () => {
        if (one.state !== "running") throw status(409, "is not running");
        if (argv[1] === "tail") return { code: 1, stdout: "", stderr: "no such file" };
        const isLook = argv[1] === "wget";
        const stdout = isLook ? servers.tellUpstreams() : servers.gate.run(argv.at(-1) ?? "");
        return { code: 0, stdout, stderr: "" };
      });
    },
    connect: (id) =>
      look(`connect ${called(id)}`, () => {
        if (find(id).state !== "running") throw status(409, "is not running");
        return { container: id } as unknown as Duplex;
      }),
    hold: (_id, _argv, { environment }) => session(environment?.["PGDATABASE"] ?? ""),
    stay: ({ environment = {}, stdin }) => {
      const name = `database ${environment["PGHOST"]}`;
      return world.effect(`hold the lock of ${name}`, 10, () => {
        const taken = world.heldNames.get(name);
        const isMine = taken === undefined;
        const application = /application_name = '([^']*)'/.exec(String(stdin))?.[1] ?? "";
        const mine = { labels: { application }, process: world.process() };
        if (isMine) world.heldNames.set(name, mine);
        const isAlive = () => world.heldNames.get(name) === mine;
        const leave = () => void (isAlive() && world.heldNames.delete(name));
        world.process()?.atEnd.push(leave);
        const holder = ["holder", "7", taken?.labels["application"], "", ""].join("\u001f");
        return {
          said: isMine ? "lock\u001ft" : `lock\u001ff\n${holder}`,
          isAlive: () => Promise.resolve(!isMine || isAlive()),
          release: () => world.effect(`give back the lock of ${name}`, 5, leave),
        };
      });
    },
    holdName: (name, labels) =>
      world.effect(`hold the name ${name}`, 10, () => {
        const key = `${servers.number} ${name}`;
        const taken = world.heldNames.get(key);
        if (taken !== undefined)
          return { id: name, state: "running" as const, labels: taken.labels };
        const mine = { labels, process: world.process() };
        world.heldNames.set(key, mine);
        const isAlive = () => world.heldNames.get(key) === mine;
        const leave = () => void (isAlive() && world.heldNames.delete(key));
        world.process()?.atEnd.push(leave);
        return {
          isAlive: () => Promise.resolve(isAlive()),
          release: () => world.effect(`give back the name ${name}`, 5, leave),
        };
      }),
    removeStopped: () => Promise.reject(status(500, "a name's container always runs here")),
    detach: () => look("detach", () => undefined),
    run: ({ image, entrypoint, ...io }) => {
      if (io.environment?.["PGDATABASE"] !== undefined)
        return client(servers, world, entrypoint, io);
      return look(`run ${entrypoint[0]}`, () => {
        const version = versions[servers.imageVersions.get(image) ?? ""];
        const stdout = entrypoint[0] === "python3" && version ? printedHistory(version) : "17.11";
        return { code: 0, stdout, stderr: "" };
      });
    },
    runHeld: ({ environment = {} }) => session(environment["PGDATABASE"] ?? ""),
    copyOut: () => Promise.reject(status(500, "a simulated image has no files")),
    volumeOwners: () =>
      look(
        "owners of volumes",
        () => new Map([...servers.volumes].map((one) => [one, one.slice(0, one.lastIndexOf("_"))])),
      ),
    volumes: (project) =>
      look("volumes", () => [...servers.volumes].filter((one) => one.startsWith(`${project}_`))),
    publisher: () => Promise.resolve(undefined),
    othersAtWork: (project) => look("others at work", () => servers.composing.get(project) ?? 0),
    sweep: () => look("sweep", () => undefined),
    dataRoot: () => Promise.resolve("/simulated"),
  };
}

function halt(servers: SimulatedServers, one: SimulatedContainer): void {
  one.stopped = true;
  one.life += 1;
  servers.end(one, 0);
}

function status(statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode });
}
