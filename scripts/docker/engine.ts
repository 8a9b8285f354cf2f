import type { Duplex, Readable, Writable } from "node:stream";

/** What tells a container's process to end. */
export type EndSignal = "SIGINT" | "SIGTERM";

/** How a container is, as far as the tool cares. */
export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  /** Compose's own leftovers of an interrupted recreation count as containers too. */
  readonly state: "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";
  readonly health: "healthy" | "unhealthy" | "starting" | "none";
  /** The exit code of a container that has ended. */
  readonly exitCode: number | undefined;
  readonly image: string;
  readonly imageId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its addresses on the engine's networks; none where it does not run. */
  readonly addresses?: readonly string[];
}

export interface Inspected extends ObservedContainer {
  /** How often the engine has started it again by itself. */
  readonly restarts: number;
  /** When it was last started, in the engine's own notation. */
  readonly startedAt: string;
  /** What its health check said last. */
  readonly healthOutput: string;
  /** When that check began, by the engine's clock; "" where none was made. */
  readonly healthAt: string;
  /**
   * What it was really made with (environment, command, mounts, ports, limits, networks), as
   * text in a fixed order: two that are equal were made alike. Secrets stand in it: never
   * write it anywhere, only a keyed digest of it.
   */
  readonly made: string;
}

export interface ObservedImage {
  readonly id: string;
  readonly digests: readonly string[];
  /** What it was made for, as its own configuration says: "linux/arm64". */
  readonly platform: string;
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BuildRequest {
  readonly folder: string;
  readonly tag: string;
  readonly target: string | undefined;
  readonly arguments: Readonly<Record<string, string>>;
  /** Given to the build and to no layer: files by their path, texts by their value. */
  readonly secretFiles: Readonly<Record<string, string>>;
  readonly secretTexts: Readonly<Record<string, string>>;
}

/** What a command is given and where its output goes, besides its arguments. */
export interface CommandIo {
  readonly stdin?: string | Readable;
  /** Takes the bytes of its standard output; without it they come back as text. */
  readonly stdout?: Writable;
  readonly environment?: Readonly<Record<string, string>>;
  /** "postgres" or "10001:10001"; the container's own by default. */
  readonly user?: string;
}

export interface OneShot extends CommandIo {
  readonly image: string;
  readonly entrypoint: readonly string[];
  readonly network?: string;
  /** Volumes by their names, with the directory each is mounted at. */
  readonly volumes?: Readonly<Record<string, string>>;
}

/** Ends a command that waits for its input, with a last line of it or none. */
export type Release = (farewell?: string) => Promise<void>;

/** What lives no longer than this process' connection to it. */
export interface Held {
  /** Whether it still lives; asked anew where it has not answered lately. Never again once it was false. */
  isAlive(): Promise<boolean>;
  release(): Promise<void>;
}

/** What is asked of a process now and then, and the one line that it answers. */
export interface Beat {
  readonly question: string;
  readonly answer: string;
}

/** A process that lives no longer than this process' connection to it. */
export interface Staying extends Held {
  /** What it wrote before its first answer. */
  readonly said: string;
}

/** A process that ended before its first answer. */
export interface Ended {
  readonly isAlive?: never;
  /** What it wrote to its standard error. */
  readonly errors: string;
}

/** The container that has a name already. */
export interface NameTaken extends Pick<ObservedContainer, "id" | "state" | "labels"> {
  readonly isAlive?: never;
}

export interface ComposeCall {
  readonly file: string;
  readonly project: string;
  /** The values of the secrets the file names, for Compose's process environment only. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** One line that tells how far a pull or a build is. */
export type Report = (text: string) => void;

/**
 * All the tool asks of a container engine. The Docker engine stands behind it; a simulated
 * one can: nothing above this module starts a process or opens the engine's socket.
 */
export interface Engine {
  /** Its address: "unix:///var/run/docker.sock". */
  readonly endpoint: string;
  /** The Docker context that names it. */
  readonly context: string | undefined;
  /** Fails with the socket's own error where nothing answers. */
  ping(): Promise<void>;
  versions(): Promise<{ engine: string; compose: string }>;
  /** What its containers run on: "linux/amd64". */
  platform(): Promise<string>;
  /** How many CPUs a container may be limited to; 0 where the engine can set no such limit. */
  cpus(): Promise<number>;
  containers(project: string): Promise<ObservedContainer[]>;
  image(reference: string): Promise<ObservedImage | undefined>;
  /** Gives an image another name, which keeps it here. */
  tag(image: string, reference: string): Promise<void>;
  /** Takes a name away; the image goes with its last one, unless a container uses it. */
  untag(reference: string): Promise<void>;
  /** The names that begin so, such as "letta-stack/retained:". */
  tagged(prefix: string): Promise<readonly { readonly reference: string; readonly id: string }[]>;
  pull(reference: string, report: Report, signal: AbortSignal): Promise<void>;
  build(request: BuildRequest, report: Report, signal: AbortSignal): Promise<void>;
  /** Makes the base image that the other roles build on, from a Debian mirror. */
  importBase(root: string, mirror: string, tag: string): Promise<void>;
  /** Creates the named services' containers anew, stopped; networks and volumes as needed. */
  create(call: ComposeCall, services: readonly string[]): Promise<void>;
  /** Creates a second container of a service, stopped, next to the one that may run. */
  scaleUp(call: ComposeCall, service: string): Promise<void>;
  /** Removes containers and networks, and the volumes too where that was asked for. */
  down(project: string, volumes: boolean): Promise<void>;
  inspect(id: string): Promise<Inspected>;
  start(id: string): Promise<void>;
  /** Starts a part whose configs or secrets have to be copied into its container first. */
  startWithFiles(call: ComposeCall, service: string): Promise<void>;
  /** @param signal what tells it to end, where that is not its image's own */
  stop(id: string, graceSeconds: number, signal?: EndSignal): Promise<void>;
  remove(id: string): Promise<void>;
  /** The last lines a container wrote, both streams. */
  tail(id: string, lines: number): Promise<string>;
  follow(
    id: string,
    onLine: (line: string) => void,
    signal: AbortSignal,
    tail: number,
  ): Promise<void>;
  exec(id: string, argv: readonly string[], io?: CommandIo): Promise<CommandResult>;
  /** A connection to a port inside a container, whatever it publishes; it has busybox in /probe. */
  connect(id: string, port: number): Promise<Duplex>;
  /** A command whose standard input stays open until `release` is called. */
  hold(
    id: string,
    argv: readonly string[],
    io: CommandIo & { readonly stdin: string },
    until: RegExp,
  ): Promise<Release>;
  /**
   * Takes a name on the engine, from any machine, until it is released or this
   * process or its machine ends.
   * @param labels for others to read
   * @returns who has it; undefined where it was just given back
   */
  holdName(
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<Held | NameTaken | undefined>;
  /** Removes a container unless it runs; false where it does. */
  removeStopped(id: string): Promise<boolean>;
  run(shot: OneShot): Promise<CommandResult>;
  /** Starts an image that goes on without this process; its container goes when it ends. */
  detach(shot: OneShot): Promise<void>;
  /**
   * Runs an image until it is released or this process or its machine ends: its program is to end
   * with its input.
   */
  stay(shot: OneShot, beat: Beat): Promise<Staying | Ended>;
  /** The same for an image of its own instead of a running container. */
  runHeld(shot: OneShot, until: RegExp): Promise<Release>;
  /** A path of an image as a tar archive; nothing of the image is run. */
  copyOut(image: string, path: string, to: Writable): Promise<void>;
  volumes(project: string): Promise<string[]>;
  /** All volumes there are, with the project whose each says to be; empty where Compose made it not. */
  volumeOwners(): Promise<ReadonlyMap<string, string>>;
  /** Who publishes a port of the host, among all containers. */
  publisher(port: number): Promise<string | undefined>;
  /** How many Compose processes of this host work on a project, by any user. */
  othersAtWork(project: string): Promise<number>;
  /** Removes one-shot containers of this host whose process has gone. */
  sweep(): Promise<void>;
  /** Where the engine keeps images and volumes, on its own host. */
  dataRoot(): Promise<string>;
}
