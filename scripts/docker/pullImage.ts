import { readFileSync } from "node:fs";
import { join } from "node:path";
import type Docker from "dockerode";
import type { Report } from "./engine.ts";
import { type ProgramCall, runProgram } from "./superviseProgram.ts";

interface PullEvent {
  readonly id?: string;
  readonly status?: string;
  readonly error?: string;
  readonly progressDetail?: { current?: number; total?: number };
}

interface PullOptions {
  readonly signal: AbortSignal;
  /** Of the docker command, whose logins are used. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Pulls an image. Of one that is there for other platforms alone, it says for which.
 * @throws Error with the engine's own words
 */
export async function pullImage(
  docker: Docker,
  reference: string,
  report: Report,
  { signal, environment }: PullOptions,
): Promise<void> {
  const login = await registryLogin(reference, environment, signal);
  try {
    await pull(docker, reference, report, signal, login);
  } catch (error) {
    const { message } = error as Error;
    if (!message.includes("no matching manifest")) throw error;
    const offered = await platforms(docker, reference).catch(() => []);
    if (offered.length === 0) throw error;
    throw new Error(`${message}: it is there for ${offered.join(", ")}`, { cause: error });
  }
}

/** What the registry has it for. */
async function platforms(docker: Docker, reference: string): Promise<string[]> {
  const found = await docker.getImage(reference).distribution();
  return found.Platforms.map((one) => `${one.os}/${one.architecture}`);
}

/**
 * Pulls an image. A failure in the middle comes only as an event with `error`, never as an
 * error of the stream: so every event is looked at.
 */
async function pull(
  docker: Docker,
  reference: string,
  report: Report,
  signal: AbortSignal,
  login: RegistryLogin | undefined,
): Promise<void> {
  const stream = await docker.pull(reference, {
    abortSignal: signal,
    ...(login === undefined ? {} : { authconfig: login }),
  });
  const layers = new Map<string, { current: number; total: number }>();
  let failure: string | undefined;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error) => (error ? reject(error) : resolve()),
      (event: PullEvent) => {
        failure ??= event.error;
        if (event.id && event.progressDetail?.total) {
          const { current = 0, total } = event.progressDetail;
          layers.set(`${event.status} ${event.id}`, { current, total });
          report(summary(layers));
        }
      },
    );
  });
  if (failure !== undefined) throw new Error(failure);
}

function summary(layers: ReadonlyMap<string, { current: number; total: number }>): string {
  const sum = (key: "current" | "total") =>
    [...layers].filter(([id]) => id.startsWith("Down")).reduce((all, [, one]) => all + one[key], 0);
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
  return `${mb(sum("current"))} of ${mb(sum("total"))} MB`;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What the engine's API takes with a pull (X-Registry-Auth). */
type RegistryLogin =
  | { readonly username: string; readonly password: string; readonly serveraddress: string }
  | { readonly identitytoken: string; readonly serveraddress: string };

/** ~/.docker/config.json, as `docker login` writes it (docker/cli, cli/config/configfile/file.go). */
interface DockerConfig {
  readonly auths?: Readonly<
    Record<string, { readonly auth?: string; readonly identitytoken?: string }>
  >;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** A helper may ask its service over the network; one that prompts for a password never answers. */
const helperTimeoutMs = 30_000;

/** Docker Hub is called so in config.json and by credential helpers. */
const dockerHub = "https://index.docker.io/v1/";

/**
 * The login of an image's registry, as the docker command would find it: a credential helper of that
 * registry, the common one, or config.json itself.
 * @param reference such as "ghcr.io/company/letta:1"
 * @param environment of the docker command: DOCKER_CONFIG, HOME and PATH count
 * @param signal ends a helper that has not answered yet
 * @param timeoutMs how long a helper may take
 * @returns undefined where there is none, or where its helper has none, answers something else than a
 *   login, or does not answer in time
 * @throws what the signal was aborted with
 */
export async function registryLogin(
  reference: string,
  environment: Environment,
  signal?: AbortSignal,
  timeoutMs = helperTimeoutMs,
): Promise<RegistryLogin | undefined> {
  const config = dockerConfig(environment);
  const registry = registryOf(reference);
  const server = registry === "docker.io" ? dockerHub : registry;
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  const call = { environment: definedOf(environment), input: server, timeoutMs };
  const stored = helper
    ? await fromHelper(helper, server, { ...call, ...(signal && { signal }) })
    : undefined;
  return stored ?? fromFile(config, registry, server);
}

/** The registry of an image: "docker.io" where its name has none. */
export function registryOf(reference: string): string {
  const [first = "", ...rest] = reference.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}

function dockerConfig({ DOCKER_CONFIG: folder, HOME: home }: Environment): DockerConfig {
  try {
    const file = join(folder || join(home ?? "", ".docker"), "config.json");
    return JSON.parse(readFileSync(file, "utf8")) as DockerConfig;
  } catch {
    return {};
  }
}

function fromFile(
  { auths = {} }: DockerConfig,
  registry: string,
  server: string,
): RegistryLogin | undefined {
  const host = (key: string) => key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const found = Object.entries(auths).find(
    ([key]) => key === server || host(key) === registry,
  )?.[1];
  if (found?.identitytoken) return { identitytoken: found.identitytoken, serveraddress: server };
  const [username = "", ...password] = Buffer.from(found?.auth ?? "", "base64")
    .toString()
    .split(":");
  if (username === "") return undefined;
  return { username, password: password.join(":"), serveraddress: server };
}

/** https://github.com/docker/docker-credential-helpers: the server on its input, JSON on its output. */
async function fromHelper(
  name: string,
  server: string,
  call: ProgramCall,
): Promise<RegistryLogin | undefined> {
  const input = await runProgram(`docker-credential-${name}`, ["get"], call);
  const { Username: username, Secret: secret } = input.code === 0 ? parsed(input.stdout) : {};
  if (typeof username !== "string" || typeof secret !== "string") return undefined;
  if (username === "<token>") return { identitytoken: secret, serveraddress: server };
  return { username, password: secret, serveraddress: server };
}

/** No error leaves this: a parser quotes what it cannot read, and a secret may stand there. */
function parsed(text: string): { readonly Username?: unknown; readonly Secret?: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as object;
  } catch {
    return {};
  }
}

function definedOf(environment: Environment): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
}
