import type { ObservedContainer } from "../docker/engine.ts";
import type { Stack } from "../stack/renderStack.ts";
import type { Context, Seen } from "./check.ts";

/** Where the server looks for Redis. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Where a stack's server looks for Redis, bundled or outside; undefined where it has none. */
export function redisOf({ server, services }: Pick<Stack, "server" | "services">) {
  const { environment = {} } = services.find((one) => one.name === server.service) ?? {};
  const host = environment["LETTA_REDIS_HOST"];
  return host ? { host, port: Number(environment["LETTA_REDIS_PORT"] ?? 6379) } : undefined;
}

/** Asks Redis, and prints its answer; then how many connections to its port there are. */
const script = `bb=/probe/busybox
printf 'PING\\r\\nQUIT\\r\\n' | $bb timeout 5 $bb nc "$0" "$1" 2>&1 | $bb head -n 1
$bb cat /proc/net/tcp /proc/net/tcp6 | $bb grep -c " [0-9A-F]*:$2 01 "`;

/**
 * Whether each server reaches Redis, and uses it: Letta works without it until it is restarted, and
 * only its log says so, where none answers within five seconds of its first request
 * (letta/data_sources/redis_client.py, get_redis_client).
 * @param servers containers that have answered a request which makes them connect
 * @throws Error with what Redis says, and what that means
 */
export async function checkRedis(
  address: RedisAddress | undefined,
  servers: readonly ObservedContainer[],
  { engine }: Pick<Context, "engine">,
): Promise<Seen> {
  if (address === undefined) {
    return { skipped: "no Redis, so streams in the background answer 503" };
  }
  const where = `${address.host}:${address.port}`;
  const port = address.port.toString(16).toUpperCase().padStart(4, "0");
  const asked = await Promise.all(
    servers.map(async ({ id, name }) => {
      const words = [address.host, String(address.port), port];
      const { stdout } = await engine.exec(id, ["/probe/busybox", "sh", "-c", script, ...words]);
      const [reply = "", count = "0"] = stdout.split(/\r?\n/);
      if (!reply.startsWith("+PONG")) throw new Error(`${where}: ${explained(reply)}`);
      if (Number(count) === 0) {
        throw new Error(
          `${where}: it answers, and the server works without it, as it was away at its start: docker restart ${name}`,
        );
      }
    }),
  );
  if (asked.length === 0) throw new Error(`${where}: expected a server that runs, got none`);
  return `${where} answers, and the server is connected`;
}

function explained(reply: string): string {
  const words = reply.replace(/^nc: |^-/, "").trim();
  if (/NOAUTH|WRONGPASS|DENIED/.test(words)) {
    return `it asks for a password, which the server cannot give (${words})`;
  }
  return words === "" ? "no answer from the server's container" : words;
}
