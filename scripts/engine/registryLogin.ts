import { readFileSync } from "node:fs";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the engine's API takes with a pull (X-Registry-Auth). */
export type RegistryLogin =
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

/** Docker Hub is called so in config.json and by credential helpers. */
const dockerHub = "https://index.docker.io/v1/";

/**
 * The login of an image's registry, as the docker command would find it: a credential helper of that
 * registry, the common one, or config.json itself.
 * @param reference such as "ghcr.io/company/letta:1"
 * @param environment of the docker command: DOCKER_CONFIG, HOME and PATH count
 * @returns undefined where there is none, or where its helper has none
 */
export async function registryLogin(
  reference: string,
  environment: Environment,
): Promise<RegistryLogin | undefined> {
  const config = dockerConfig(environment);
  const registry = registryOf(reference);
  const server = registry === "docker.io" ? dockerHub : registry;
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  const stored = helper ? await fromHelper(helper, server, environment) : undefined;
  return stored ?? fromFile(config, registry, server);
}

/** The registry of an image: "docker.io" where its name has none. */
export function registryOf(reference: string): string {
  const [first = "", ...rest] = reference.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}

function dockerConfig({ DOCKER_CONFIG: folder, HOME: home }: Environment): DockerConfig {
  try {
    const file = join(folder ?? join(home ?? "", ".docker"), "config.json");
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
  environment: Environment,
): Promise<RegistryLogin | undefined> {
  const { $ } = await import("zx");
  const env = environment as NodeJS.ProcessEnv;
  const asked = await $({
    env,
    input: server,
    quiet: true,
    nothrow: true,
  })`docker-credential-${name} get`;
  if (asked.exitCode !== 0) return undefined;
  const { Username, Secret } = JSON.parse(asked.stdout) as { Username: string; Secret: string };
  if (Username === "<token>") return { identitytoken: Secret, serveraddress: server };
  return { username: Username, password: Secret, serveraddress: server };
}
