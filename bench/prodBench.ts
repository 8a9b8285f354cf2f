import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromEnv } from "../test/fakes/fromEnv.ts";
import { gateway } from "../test/fakes/otlp/collector.ts";
import { request } from "../scripts/checks/request.ts";

const root = join(import.meta.dirname, "..");
export const project = "letta-bench-prod";
const port = "18443";
const proxyUrl = `https://127.0.0.1:${port}`;
const password = "benchBenchBenchBenchBenchBenchBench2";

export interface Ran {
  readonly code: number | null;
  readonly seconds: number;
  readonly said: {
    readonly steps?: { name: string; seconds: number }[];
    readonly code?: string;
    readonly strategy?: string;
  };
  /** For how long no one answered at the proxy. */
  readonly away: number;
}

/** A prod of real Letta of its own, for what is measured on it. */
export function prodBench() {
  const folder = mkdtempSync(join(tmpdir(), "letta-bench-"));
  const environment = {
    ...process.env,
    LETTA_PG_PASSWORD: "benchBenchBenchBenchBenchBenchBench1",
    LETTA_SERVER_PASSWORD: password,
    LETTA_ENCRYPTION_KEY: "benchBenchBenchBenchBenchBenchBench3",
    STACK_PROJECT: project,
    STATE_DIR: join(folder, "state"),
    IMAGE_SOURCE: "auto",
    BAKE_TIME: "1s",
    PROXY_PUBLISH_HOST: "0.0.0.0",
    PROXY_HTTPS_PORT: port,
    OTEL_GRPC_PORT: "18444",
    OTEL_HTTP_PORT: "18445",
    OTEL_HEALTH_PORT: "18446",
    OTEL_METRICS_PORT: "18447",
  };
  const state = join(folder, "state", "prod");
  const run = (entry: string, ...args: string[]) => ran(environment, entry, args);
  return {
    environment,
    folder,
    state,
    /** As from another machine: by loopback each connection takes six files of the engine's proxy. */
    proxyUrl: () => `https://${gateway()}:${port}`,
    password,
    run,
    /** Runs what has to go well. */
    async good(
      entry: string,
      args: readonly string[],
      more: Readonly<Record<string, string>> = {},
    ) {
      const done = await ran({ ...environment, ...more }, entry, [...args, "--yes", "--json"]);
      if (done.code !== 0)
        throw new Error(`${entry} ${args.join(" ")}: ${JSON.stringify(done.said)}`);
      return done;
    },
    /** What the last release was rendered to. */
    file() {
      const newest = readdirSync(join(state, "releases")).sort().at(-1)!;
      return join(state, "releases", newest, "compose.yaml");
    },
    /** The same by hand. */
    plain: (path: string) => compose(environment, ["-f", path, "up", "-d", "--wait"]),
    lastBoot,
    close() {
      down(environment);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export type Environment = NodeJS.ProcessEnv;

function start(environment: Environment, entry: string, args: readonly string[]) {
  const argv = ["--import", "./scripts/commands/start.mjs", `scripts/commands/${entry}.ts`];
  argv.push(...fromEnv(args, environment));
  return spawn(process.execPath, argv, { cwd: root, env: environment });
}

export async function ran(
  environment: Environment,
  entry: string,
  args: readonly string[],
): Promise<Ran> {
  const started = performance.now();
  let stdout = "";
  const watch = await watched(async () => {
    const child = start(environment, entry, args);
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    return new Promise<number | null>((resolve) => child.once("close", resolve));
  });
  const seconds = (performance.now() - started) / 1000;
  const said = stdout === "" ? {} : (JSON.parse(stdout) as Ran["said"]);
  return { code: watch.code, seconds, said, away: watch.away };
}

async function compose(environment: Environment, args: readonly string[]): Promise<number | null> {
  const argv = ["compose", "--env-file", "/dev/null", "-p", project, ...args];
  const child = spawn("docker", argv, { env: environment, stdio: "ignore" });
  return new Promise((resolve) => child.once("close", resolve));
}

/** Asks at the proxy fifty times a second while something is done. */
export async function watched(work: () => Promise<number | null>) {
  let ended = false;
  let first: number | undefined;
  let last = 0;
  const started = performance.now();
  const asking = (async () => {
    while (!ended) {
      const isThere = await answers();
      const now = performance.now();
      if (!isThere) {
        first ??= now;
        last = now;
      }
      await sleep(20);
    }
  })();
  const code = await work();
  const seconds = (performance.now() - started) / 1000;
  ended = true;
  await asking;
  return { code, seconds, away: first === undefined ? 0 : (last - first) / 1000 };
}

async function answers(): Promise<boolean> {
  try {
    return (await request(`${proxyUrl}/v1/health/`, { timeoutMs: 1000 })).status === 200;
  } catch {
    return false;
  }
}

/** How long the server took that was started last: from its start to its first good health. */
function lastBoot(): number {
  const requested = [
    `label=com.docker.compose.project=${project}`,
    "label=com.docker.compose.service=server",
  ];
  const list = ["ps", "-q", ...requested.flatMap((one) => ["--filter", one])];
  const id = spawnSync("docker", list, { encoding: "utf8" }).stdout.trim();
  const argv = ["inspect", "-f", "{{json .State}}", id];
  const state = JSON.parse(spawnSync("docker", argv, { encoding: "utf8" }).stdout) as {
    StartedAt: string;
    Health: { Log: readonly { End: string; ExitCode: number }[] };
  };
  const good = state.Health.Log.find((one) => one.ExitCode === 0)!;
  return (Date.parse(good.End) - Date.parse(state.StartedAt)) / 1000;
}

export function down(environment: Environment): void {
  const name = environment["STACK_PROJECT"] ?? project;
  spawnSync("docker", ["compose", "-p", name, "down", "--volumes"], { env: environment });
}
