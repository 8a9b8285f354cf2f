import { caddyBlock } from "./caddyBlock.ts";

/**
 * How requests reach the server: its answers are handed on as they come, however long they take.
 * @param server host and port
 */
export function proxyUpstream(server: string): string[] {
  return caddyBlock(`reverse_proxy ${server}`, [
    "flush_interval -1",
    ...caddyBlock("transport http", [
      "read_timeout 30m", // between two pieces of an answer
      // Less than the 5 s after which the server closes an idle connection: a POST sent into one
      // that is just being closed would fail.
      "keepalive 3s",
    ]),
  ]);
}
