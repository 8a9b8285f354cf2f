import type Docker from "dockerode";
import type { Report } from "./engine.ts";
import { registryLogin, type RegistryLogin } from "./registryLogin.ts";

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
