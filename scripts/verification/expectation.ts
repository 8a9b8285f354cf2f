import type { Stack } from "../stack/renderStack.ts";

/** What must be true of a running stack, read from its rendered form and nothing else. */
export interface Expectation {
  readonly project: string;
  readonly collector: string;
  readonly healthPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Where the server answers; undefined where only the proxy is open. */
  readonly serverUrl: string | undefined;
  readonly server: Stack["server"];
  readonly version: string;
  /** The bearer of requests, where the server asks for one. */
  readonly password: string | undefined;
  readonly sink: "file" | "other";
  readonly grafana: { readonly url: string; readonly deviceId: string } | undefined;
}

export interface ExpectationParts {
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
  return {
    project: stack.project,
    collector: "collector",
    healthPort: published("collector", 13133) ?? 13133,
    grpcPort: published("collector", 4317) ?? 4317,
    httpPort: published("collector", 4318) ?? 4318,
    serverUrl: server === undefined ? undefined : `http://127.0.0.1:${server}`,
    server: stack.server,
    ...parts,
  };
}
