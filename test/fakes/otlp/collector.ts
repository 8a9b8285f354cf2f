import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  collectorMetrics,
  type CollectorMetrics,
  readMetrics,
} from "../../../scripts/checks/collectorClient.ts";
import { request, type Asked, type Reply } from "../../../scripts/checks/request.ts";
import { docker } from "../../real/workspace.ts";
import { engine } from "./engine.ts";

export interface CollectorParts {
  /** Of its container; its volume is called so too. */
  readonly name: string;
  readonly image: string;
  /** The first of four ports of this machine: OTLP gRPC, OTLP HTTP, health, own metrics. */
  readonly firstPort: number;
  readonly configuration: string;
  readonly secrets?: Readonly<Record<string, string>>;
  /** A certificate that its exporters are to trust too, as OTEL_CA_FILE says in a stack. */
  readonly caFile?: string;
  readonly network?: string;
  readonly restart?: "unless-stopped";
}

export interface Collector {
  readonly grpcPort: number;
  /** Asks one of its ports, by the number it has in its container. */
  ask(port: number, path: string, asked?: Asked): Promise<Reply>;
  /** Whether it answered as healthy within the time. */
  healthy(timeoutMs?: number): Promise<boolean>;
  /** The same by its metrics, for configurations without a health check. */
  answers(timeoutMs?: number): Promise<boolean>;
  /** What it says of itself at this moment. */
  metrics(): Promise<CollectorMetrics>;
  /** What it wrote since its container was made. */
  log(): string[];
  start(): Promise<void>;
  /** As the engine does on an update: asks it to stop and gives it time. */
  stop(): Promise<void>;
  kill(): Promise<void>;
  /** A new container on the same volume. */
  replace(configuration?: string): Promise<void>;
  state(): { status: string; isOutOfMemory: boolean; restarts: number };
  /** With its volume. */
  remove(): Promise<void>;
}

/** As compose/collector.yaml has them. */
const limits = ["--memory", "1536m", "--env", "GOMEMLIMIT=820MiB", "--user", "10001:10001"];
/** OTLP gRPC, OTLP HTTP, health, own metrics. */
const inside = [4317, 4318, 13133, 8888];
const volumePath = "/var/lib/otelcol";
/** Its configuration, and a certificate that Go trusts alongside those of the image. */
const inContainer = "/fake";
const trust = { SSL_CERT_DIR: inContainer };

/** A name under which containers made here reach this machine. */
export const hostName = "fake.letta.test";

/** The address of this machine on the engine's own bridge, where a fake is to listen. */
export function gateway(): string {
  return docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}");
}

/**
 * The real collector in a container, limited as in the stack, with a volume for its queue: not
 * started yet. Its log is retained by the engine; its metrics are asked for over HTTP.
 */
export function collector(parts: CollectorParts): Collector {
  const { name, firstPort } = parts;
  const published = inside.map((port, index) => [port, firstPort + index] as const);
  const ports = published.flatMap(([port, here]) => ["-p", `127.0.0.1:${here}:${port}`]);
  const ask = (port: number, path: string, asked: Asked = {}) =>
    request(`http://127.0.0.1:${firstPort + inside.indexOf(port)}${path}`, asked);
  const folder = mkdtempSync(join(tmpdir(), "collector-"));
  chmodSync(folder, 0o755); // goes into the container as it is, and is read by another user there
  const environment = Object.entries({ ...parts.secrets, ...trust });
  const create = (configuration: string) => {
    writeFileSync(join(folder, "config.yaml"), configuration);
    const argv = [
      ["create", "--init", "--name", name, ...limits, ...ports, "--stop-timeout", "60"],
      ["-v", `${name}:${volumePath}`, "--add-host", `${hostName}:host-gateway`],
      parts.network ? ["--network", parts.network] : [],
      parts.restart ? ["--restart", parts.restart] : [],
      environment.flatMap(([key, value]) => ["--env", `${key}=${value}`]),
      [parts.image, "--config", `${inContainer}/config.yaml`],
    ];
    docker(...argv.flat());
    if (parts.caFile) copyFileSync(parts.caFile, join(folder, "ca.pem"));
    docker("cp", folder, `${name}:${inContainer}`);
  };
  const answers = async (port: number, path: string, timeoutMs = 30_000) => {
    const until = performance.now() + timeoutMs;
    while (performance.now() < until) {
      const reply = await ask(port, path).catch(() => undefined);
      if (reply?.status === 200) return true;
      await sleep(100);
    }
    return false;
  };
  makeVolume(name);
  create(parts.configuration);
  let last = parts.configuration;
  return {
    grpcPort: firstPort,
    ask,
    healthy: (timeoutMs) => answers(13133, "/", timeoutMs),
    answers: (timeoutMs) => answers(8888, "/metrics", timeoutMs),
    async metrics() {
      const { body } = await ask(8888, "/metrics");
      return collectorMetrics(readMetrics(body));
    },
    log() {
      const { stdout, stderr } = spawnSync("docker", ["logs", name], { maxBuffer: 2 ** 28 });
      return `${stdout.toString()}${stderr.toString()}`.split("\n").filter(Boolean);
    },
    start: () => engine("start", name),
    stop: () => engine("stop", name),
    kill: () => engine("kill", "-s", "KILL", name),
    async replace(configuration = last) {
      await engine("stop", name);
      await engine("rm", name);
      last = configuration;
      create(configuration);
      await engine("start", name);
    },
    state() {
      const format = "{{.State.Status}} {{.State.OOMKilled}} {{.RestartCount}}";
      const [status = "", isOutOfMemory, restarts] = docker("inspect", "-f", format, name).split(
        " ",
      );
      return { status, isOutOfMemory: isOutOfMemory === "true", restarts: Number(restarts) };
    },
    async remove() {
      await engine("rm", "-f", name);
      await engine("volume", "rm", name);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The queue's directory belongs to the collector's user, as the stack's `permissions` job has it. */
function makeVolume(name: string): void {
  docker("volume", "create", name);
  const [probe = ""] = docker("images", "letta-stack/probe", "--format", "{{.ID}}").split("\n");
  const make = `mkdir -p ${volumePath}/queue && chown -R 10001:10001 ${volumePath}`;
  docker(
    "run",
    "--rm",
    "--network",
    "none",
    "-v",
    `${name}:${volumePath}`,
    probe,
    "sh",
    "-c",
    make,
  );
}
