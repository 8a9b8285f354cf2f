import type { PublishedPort } from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";

/** What must be true of a running stack, read from its rendered form and nothing else. */
export interface Expectation {
  readonly project: string;
  readonly collector: string;
  readonly healthPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Where the server answers: at its own port, or through the proxy where that is the door. */
  readonly serverUrl: string | undefined;
  /** The name the proxy has a certificate for. */
  readonly serverName: string | undefined;
  readonly server: Stack["server"];
  readonly version: string;
  /** The bearer of requests, where the server asks for one. */
  readonly password: string | undefined;
  readonly sink: "file" | "other";
  readonly grafana: { readonly url: string; readonly deviceId: string } | undefined;
}

export interface ExpectationParts {
  readonly serverName: string | undefined;
  readonly version: string;
  readonly password: string | undefined;
  readonly sink: "file" | "other";
  readonly grafana: { readonly url: string; readonly deviceId: string } | undefined;
}

/** What to expect of this stack. */
export function expectation(stack: Stack, parts: ExpectationParts): Expectation {
  const published = (service: string, target: number | undefined) =>
    stack.services
      .find((one) => one.name === service)
      ?.ports.find((port) => target === undefined || port.target === target)?.published;
  const server = published(stack.server.service, undefined);
  const door = stack.services.find((one) => one.name === "proxy")?.ports[0];
  return {
    project: stack.project,
    collector: "collector",
    healthPort: published("collector", 13133) ?? 13133,
    grpcPort: published("collector", 4317) ?? 4317,
    httpPort: published("collector", 4318) ?? 4318,
    serverUrl: server !== undefined ? `http://127.0.0.1:${server}` : door && doorUrl(door),
    server: stack.server,
    ...parts,
  };
}

/** The proxy's address as this machine reaches it. */
function doorUrl({ host, published }: PublishedPort): string {
  const reached = ({ "0.0.0.0": "127.0.0.1", "::": "[::1]" } as Record<string, string>)[host];
  return `https://${reached ?? host}:${published}`;
}
