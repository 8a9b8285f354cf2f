import type { ComposeCall } from "./engine.ts";
import { Problem } from "../common/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** The first whose progress is one JSON object a line (docker/compose#11478); others write plain lines. */
const firstWithJson = "2.29.0";

const versions = new WeakMap<Environment, Promise<string>>();

/** No implicit .env, and progress on standard error. */
async function globalOptions(environment: Environment): Promise<string[]> {
  const [{ default: gte }, { default: coerce }, version] = await Promise.all([
    import("semver/functions/gte.js"),
    import("semver/functions/coerce.js"),
    composeVersion(environment),
  ]);
  const progress = gte(coerce(version) ?? "0.0.0", firstWithJson) ? "json" : "plain";
  return ["--env-file", "/dev/null", "--progress", progress];
}

/** Creates containers without starting them; never a service that was not named. */
export async function composeCreate(
  environment: Environment,
  call: ComposeCall,
  services: readonly string[],
): Promise<void> {
  const options = ["--no-start", "--no-deps", "--force-recreate", "--pull", "never"];
  await wrapped("create the containers", () => up(environment, call, services, options));
}

/** Creates a second container of a service, stopped; the first one is not touched. */
export async function composeScaleUp(
  environment: Environment,
  call: ComposeCall,
  service: string,
): Promise<void> {
  const two = ["--no-recreate", "--scale", `${service}=2`];
  const options = ["--no-start", "--no-deps", "--pull", "never", ...two];
  await wrapped(`create another ${service}`, () => up(environment, call, [service], options));
}

/**
 * Starts a container that Compose made. Only Compose itself copies inline configs and
 * secrets in, and it does so when it starts a container, not when it creates it. It refuses both for a
 * `read_only` service (2.40.3), so Postgres and the collector keep a writable root.
 */
export async function composeStart(
  environment: Environment,
  call: ComposeCall,
  service: string,
): Promise<void> {
  const options = ["--no-deps", "--no-recreate", "--pull", "never"];
  await wrapped(`start ${service}`, () => up(environment, call, [service], options));
}

async function up(
  environment: Environment,
  call: ComposeCall,
  services: readonly string[],
  options: string[],
) {
  const compose = await import("docker-compose");
  return compose.upMany([...services], {
    cwd: "/",
    config: call.file,
    composeOptions: [...(await globalOptions(environment)), "--project-name", call.project],
    commandOptions: options,
    env: { ...environment, ...call.secrets } as NodeJS.ProcessEnv,
  });
}

/** Takes a project down by its labels, whatever file it came from. */
export async function composeDown(
  environment: Environment,
  project: string,
  volumes: boolean,
): Promise<void> {
  const compose = await import("docker-compose");
  const options = await globalOptions(environment);
  await wrapped("remove the containers", () =>
    compose.down({
      cwd: "/",
      composeOptions: [...options, "--project-name", project],
      commandOptions: volumes ? ["--volumes"] : [],
      env: environment as NodeJS.ProcessEnv,
    }),
  );
}

/** @returns such as "2.40.3"; asked once, and directly, as the package takes half a second longer */
export function composeVersion(environment: Environment): Promise<string> {
  const known = versions.get(environment) ?? askVersion(environment);
  versions.set(environment, known);
  return known;
}

async function askVersion(environment: Environment): Promise<string> {
  const { $ } = await import("zx");
  const env = environment as NodeJS.ProcessEnv;
  const input = await $({ env, quiet: true, nothrow: true })`docker compose version --short`;
  if (input.exitCode === 0) return input.stdout.trim();
  throw new Problem("ENGINE_TOO_OLD", "expected Docker Compose 2 as a plugin of docker, got none", {
    details: [input.stderr.trim().split("\n")[0] ?? ""],
    next: "https://docs.docker.com/compose/install/linux/",
  });
}

/** The package rejects with a plain object; what Compose said stands in its JSON lines. */
async function wrapped<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const { err = "", exitCode } = error as { err?: string; exitCode?: number };
    const details = error instanceof Error ? [error.message] : complaints(err);
    throw new Problem("STEP_FAILED", `Compose could not ${what} (exit ${exitCode ?? "unknown"})`, {
      details,
      cause: error,
    });
  }
}

function complaints(stderr: string): string[] {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  if (!lines.some((line) => line.startsWith("{"))) return lines.slice(-3);
  const messages = lines.flatMap((line) => {
    if (!line.startsWith("{")) return [line];
    const event = JSON.parse(line) as { error?: boolean; message?: string; details?: string };
    return event.error && event.message ? [event.message] : [];
  });
  return messages.length > 0 ? messages : lines.slice(-3);
}
