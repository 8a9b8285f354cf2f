import { Problem } from "../common/problem.ts";
import { durationMs } from "../common/units.ts";
import { isMap, type Value, type ValueMap } from "./mergeSources.ts";

type Condition = "service_started" | "service_healthy" | "service_completed_successfully";

export interface PublishedPort {
  readonly host: string;
  readonly published: number;
  readonly target: number;
}

/** A configuration that is read anew where it lies, without the service being replaced. */
export interface Reload {
  /** The job that lays it out. */
  readonly after: string;
  /** Its name in the stack, and the path of it in the service. */
  readonly config: string;
  readonly file: string;
  readonly command: readonly string[];
  /**
   * Where compose/relay.py stands meanwhile: the service's own port, and its own on loopback.
   * Releases of before it was there have none.
   */
  readonly relay?: { readonly port: string; readonly control: string };
}

/** What the tool needs to know of a rendered service. */
export interface StackService {
  readonly name: string;
  readonly image: string;
  /** A job runs to its end; a service stays. */
  readonly kind: "job" | "service";
  readonly stateful: boolean;
  /** Configs or secrets are copied into its container when it starts. */
  readonly hasFiles: boolean;
  /** What its health check says when it will never be healthy, what that means, and the way on. */
  readonly broken:
    | { readonly says: string; readonly means: string; readonly next: string }
    | undefined;
  /** How it takes a configuration that a job has changed in its place, while it runs. */
  readonly reload: Reload | undefined;
  readonly dependsOn: ReadonlyMap<string, Condition>;
  readonly ports: readonly PublishedPort[];
  /** Seconds for which its health check bears with a start; 0 where it has none. */
  readonly startSeconds: number;
  /** Seconds between SIGTERM and SIGKILL. */
  readonly graceSeconds: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * The services of a rendered model, in the order in which they may start: each after all it
 * depends on, otherwise by name.
 * @throws Problem SOURCE_INVALID for a dependency that does not exist or goes round
 */
export function readServices(model: ValueMap): StackService[] {
  const services = Object.entries((model["services"] ?? {}) as ValueMap).flatMap(
    ([name, service]) => (isMap(service) ? [readService(name, service)] : []),
  );
  const ordered: StackService[] = [];
  const waiting = new Map(services.map((service) => [service.name, service]));
  while (waiting.size > 0) {
    const ready = [...waiting.values()]
      .filter((one) => [...one.dependsOn.keys()].every((name) => !waiting.has(name)))
      .sort((a, b) => (a.name < b.name ? -1 : 1))[0];
    if (ready === undefined) {
      throw new Problem("SOURCE_INVALID", "services wait for one another in a circle", {
        details: [...waiting.values()].map(
          (one) => `${one.name} waits for ${[...one.dependsOn.keys()].join(", ")}`,
        ),
      });
    }
    const missing = [...ready.dependsOn.keys()].filter(
      (name) => !services.some((one) => one.name === name),
    );
    if (missing.length > 0) {
      throw new Problem("SOURCE_INVALID", `${ready.name} waits for a service that is not there`, {
        details: missing,
      });
    }
    waiting.delete(ready.name);
    ordered.push(ready);
  }
  return ordered;
}

function readService(name: string, service: ValueMap): StackService {
  const dependsOn = Object.entries(isMap(service["depends_on"]) ? service["depends_on"] : {}).map(
    ([other, how]) => [other, (how as { condition: Condition }).condition] as const,
  );
  return {
    name,
    image: unescape(service["image"] ?? ""),
    kind: service["restart"] === "no" ? "job" : "service",
    stateful: service["x-stateful"] === true,
    hasFiles: "configs" in service || "secrets" in service,
    broken: isMap(service["x-health-hints"])
      ? (service["x-health-hints"] as { says: string; means: string; next: string })
      : undefined,
    reload: isMap(service["x-reload"])
      ? reloadOf(service["x-reload"] as unknown as Reload)
      : undefined,
    dependsOn: new Map(dependsOn),
    ports: list(service["ports"]).map(readPort),
    startSeconds: isMap(service["healthcheck"])
      ? durationMs(text(service["healthcheck"]["start_period"] ?? "0s")) / 1000
      : 0,
    graceSeconds: durationMs(text(service["stop_grace_period"] ?? "10s")) / 1000,
    labels: strings(service["labels"]),
    environment: strings(service["environment"]),
  };
}

/** The sources write "host:published:target", or the same at length where the host is a setting. */
function readPort(port: Value): PublishedPort {
  if (isMap(port)) {
    const host = text(port["host_ip"] ?? "0.0.0.0");
    return { host, published: Number(port["published"]), target: Number(port["target"]) };
  }
  const [host = "", published = "", target = ""] = text(port).split(":");
  return { host, published: Number(published), target: Number(target) };
}

function strings(value: Value | undefined): Record<string, string> {
  if (!isMap(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unescape(inner)]));
}

function list(value: Value | undefined): Value[] {
  return Array.isArray(value) ? value : [];
}

function text(value: Value): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function reloadOf(reload: Reload): Reload {
  return { ...reload, command: reload.command.map(unescape) };
}

/** Compose reads `$$` as one `$`. */
function unescape(value: Value): string {
  return text(value).replaceAll("$$", "$");
}

/** OpenTelemetry's own default. */
const usualMs = 5000;

/** For how long a server gathers spans before it sends them, in milliseconds. */
export function batchDelayMs(server: Pick<StackService, "environment"> | undefined): number {
  return Number(server?.environment["OTEL_BSP_SCHEDULE_DELAY"] || usualMs);
}

/** Whether a service is a collector: one or, with COLLECTOR_REPLICAS, several. */
export function isCollector(service: string): boolean {
  return /^collector(?:-\d+)?$/.test(service);
}

/** Whether a service is there for the telemetry alone: the server answers without it. */
export function isTelemetry(service: string): boolean {
  return isCollector(service) || service === "clickhouse" || service === "grafana";
}
