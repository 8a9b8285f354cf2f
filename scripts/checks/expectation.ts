import { byteSize } from "../common/units.ts";
import type { Delivery } from "../stack/readDelivery.ts";
import {
  batchDelayMs,
  isCollector,
  type PublishedPort,
  type StackService,
} from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";
import { redisOf, type RedisAddress } from "./checkRedis.ts";
import type { ClickHouseReader } from "./askClickHouse.ts";

/** What must be true of a running stack, read from its rendered form and nothing else. */
export interface Expectation {
  readonly project: string;
  /** The collectors behind the one name; the first of them publishes its ports. */
  readonly collectors: readonly ExpectedCollector[];
  readonly grpcPort: number;
  /** What leaves through which exporter, and which sinks can be read. */
  readonly delivery: Delivery;
  readonly clickHouse: Omit<ClickHouseReader, "connect"> | undefined;
  /** How long the server gathers spans before it sends them, in milliseconds. */
  readonly serverBatchDelayMs: number;
  /** Where the server answers: through the proxy where there is one, or at its own port. */
  readonly serverUrl: string | undefined;
  /** The name the proxy has a certificate for. */
  readonly serverName: string | undefined;
  readonly server: Stack["server"];
  readonly redis: RedisAddress | undefined;
  readonly version: string;
  /** The bearer of requests, where the server asks for one. */
  readonly password: string | undefined;
  readonly grafana: { readonly url: string; readonly deviceId: string } | undefined;
}

export interface ExpectedCollector {
  readonly service: string;
  /** Ports of this machine by the port in the container. */
  readonly published: ReadonlyMap<number, number>;
  /** What its container may use, in bytes; 0 where there is no limit. */
  readonly memoryLimit: number;
}

export interface ExpectationParts {
  readonly serverName: string | undefined;
  readonly version: string;
  readonly password: string | undefined;
  readonly delivery: Delivery;
  /** Who reads in ClickHouse, and which certificate (PEM) is trusted in addition to the known ones. */
  readonly reader: Pick<ClickHouseReader, "user" | "password" | "caCertificate">;
  readonly grafana: { readonly url: string; readonly deviceId: string } | undefined;
}

/** What to expect of this stack. */
export function expectation(stack: Stack, { reader, ...parts }: ExpectationParts): Expectation {
  const published = (service: string, target: number | undefined) =>
    stack.services
      .find((one) => one.name === service)
      ?.ports.find((port) => target === undefined || port.target === target)?.published;
  const server = published(stack.server.service, undefined);
  const proxyPort = stack.services.find((one) => one.name === "proxy")?.ports[0];
  const own = server === undefined ? undefined : `http://127.0.0.1:${server}`;
  const role = stack.services.find((one) => one.name === stack.server.service);
  return {
    project: stack.project,
    collectors: stack.services
      .filter((one) => isCollector(one.name))
      .map((one) => expectedCollector(one, stack)),
    grpcPort: published("collector", 4317) ?? 4317,
    clickHouse: clickHouseOf(stack, parts.delivery, reader),
    serverBatchDelayMs: batchDelayMs(role),
    serverUrl: proxyPort ? proxyUrl(proxyPort) : own,
    server: stack.server,
    redis: redisOf(stack),
    ...parts,
  };
}

function expectedCollector({ name, ports }: StackService, stack: Stack): ExpectedCollector {
  const service = (stack.model["services"] as Record<string, Record<string, unknown>>)[name];
  return {
    service: name,
    published: new Map(ports.map((one) => [one.target, one.published])),
    memoryLimit: byteSize(String(service?.["mem_limit"] ?? "0")),
  };
}

/** ClickHouse from here: a part of the stack has another address than for the collector. */
function clickHouseOf(
  stack: Stack,
  { clickHouse }: Delivery,
  reader: ExpectationParts["reader"],
): Expectation["clickHouse"] {
  if (clickHouse === undefined) return undefined;
  const { hostname, origin } = new URL(clickHouse.endpoint);
  const bundled = stack.services.find((one) => one.name === hostname);
  if (bundled === undefined) return { url: origin, ...reader };
  const open = bundled.ports.find((port) => port.target === 8123);
  return { url: `http://127.0.0.1:${open?.published ?? 8123}`, ...reader };
}

/**
 * The base URL for clients: the proxy's, under its domain where it has one, or the server's own port;
 * null where neither is published.
 * @param domain what PROXY_DOMAIN says; "" where nothing is set
 */
export function clientUrl(
  stack: Pick<Stack, "services" | "server">,
  domain: string,
): string | null {
  const port = (name: string) => stack.services.find((one) => one.name === name)?.ports[0];
  const [proxy, own] = [port("proxy"), port(stack.server.service)];
  if (proxy === undefined) return own === undefined ? null : `http://127.0.0.1:${own.published}`;
  const { origin } = new URL(
    domain === "" ? proxyUrl(proxy) : `https://${domain}:${proxy.published}`,
  );
  return origin;
}

/** The proxy's address as this machine reaches it. */
function proxyUrl({ host, published }: PublishedPort): string {
  const reached = ({ "0.0.0.0": "127.0.0.1", "::": "[::1]" } as Record<string, string>)[host];
  return `https://${reached ?? host}:${published}`;
}
