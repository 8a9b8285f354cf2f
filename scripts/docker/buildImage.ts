import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import type { BuildRequest, Report } from "./engine.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What BuildKit writes with --progress rawjson, one object a line. */
interface BuildStatus {
  readonly vertexes?: readonly {
    readonly digest: string;
    readonly name: string;
    readonly started?: string;
    readonly completed?: string;
    readonly error?: string;
  }[];
  readonly logs?: readonly { readonly data: string }[];
}

/**
 * Builds an image with BuildKit. Secrets reach the steps that mount them and no layer.
 * @throws Problem BUILD_FAILED with the failing step's last lines
 */
export async function buildImage(
  environment: Environment,
  request: BuildRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const texts = Object.entries(request.secretTexts);
  const args = [
    "--progress",
    "rawjson",
    "--tag",
    request.tag,
    ...(request.target === undefined ? [] : ["--target", request.target]),
    ...Object.entries(request.arguments).flatMap(([name, value]) => [
      "--build-arg",
      `${name}=${value}`,
    ]),
    ...Object.entries(request.secretFiles).flatMap(([id, file]) => [
      "--secret",
      `id=${id},src=${file}`,
    ]),
    ...texts.flatMap(([id]) => ["--secret", `id=${id},env=LETTA_STACK_SECRET_${id}`]),
    request.folder,
  ];
  const env = {
    ...environment,
    ...Object.fromEntries(texts.map(([id, text]) => [`LETTA_STACK_SECRET_${id}`, text])),
  };
  const { $ } = await import("zx");
  const build = $({
    env: env as NodeJS.ProcessEnv,
    quiet: true,
    nothrow: true,
  })`docker buildx build ${args}`;
  const stop = () => void build.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  const progress = watch(report);
  build.stderr.on("data", progress.read);
  const { exitCode } = await build;
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  if (exitCode !== 0) {
    throw new Problem("BUILD_FAILED", `${request.tag} could not be built`, {
      details: progress.lastLines(),
      next: "npm run images -- build --verbose",
    });
  }
}

function watch(report: Report) {
  const steps = new Map<string, { name: string; done: boolean; started: boolean }>();
  const lines: string[] = [];
  let rest = "";
  const readLine = (line: string) => {
    if (!line.startsWith("{")) {
      if (line.trim() !== "") lines.push(line);
      return;
    }
    const status = JSON.parse(line) as BuildStatus;
    for (const vertex of status.vertexes ?? []) {
      steps.set(vertex.digest, {
        name: vertex.name,
        done: vertex.completed !== undefined,
        started: vertex.started !== undefined,
      });
      if (vertex.error) lines.push(vertex.error);
    }
    for (const log of status.logs ?? []) {
      lines.push(...Buffer.from(log.data, "base64").toString("utf8").split("\n").filter(Boolean));
    }
    lines.splice(0, Math.max(0, lines.length - 40));
    const all = [...steps.values()];
    const running = all.find((step) => step.started && !step.done);
    const done = all.filter((step) => step.done).length;
    if (running) report(`${done}/${all.length} ${shortened(running.name)}`);
  };
  return {
    read(chunk: Buffer) {
      const parts = (rest + chunk.toString("utf8")).split("\n");
      rest = parts.pop() ?? "";
      parts.forEach(readLine);
    },
    lastLines: () => lines.slice(-12),
  };
}

/** "[build 3/7] RUN --mount=… apt-get update" says enough without its mounts. */
function shortened(name: string): string {
  return name
    .replaceAll(/--mount=\S+\s*/g, "")
    .replaceAll(/if \[ -s [^;]*;[^;]*; fi;\s*/g, "")
    .replaceAll(/\s+/g, " ")
    .slice(0, 60);
}

/**
 * Imports the base image that docker/base/rootfs.sh makes. `docker import` takes an empty or cut
 * stream too, so it goes under a name of its own first, and gets the tag that later runs look for
 * when the script has succeeded and a program of the image has run.
 * @param mirror a Debian mirror's address
 * @throws Problem BUILD_FAILED
 */
export async function importBase(
  environment: Environment,
  root: string,
  mirror: string,
  tag: string,
): Promise<void> {
  const { $ } = await import("zx");
  const script = join(root, "docker", "base", "rootfs.sh");
  const incoming = `${tag}-incoming`;
  const run = $({ env: environment as NodeJS.ProcessEnv, quiet: true, nothrow: true });
  try {
    for (const step of [
      () => run`set -o pipefail; sh ${script} ${mirror} | docker import - ${incoming}`,
      () => run`docker run --rm --network none ${incoming} /bin/true`,
      () => run`docker tag ${incoming} ${tag}`,
    ]) {
      const done = await step();
      if (done.exitCode === 0) continue;
      throw new Problem("BUILD_FAILED", `${tag} could not be made`, {
        details: done.stderr.trim().split("\n").slice(-8),
        next: "npm run doctor -- dev",
      });
    }
  } finally {
    await run`docker rmi ${incoming}`;
  }
}
