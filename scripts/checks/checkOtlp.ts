import type { CollectorClient } from "./collectorClient.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";
import { explainConnection } from "./checkConnection.ts";
import { checkGrpc } from "./checkGrpc.ts";

/**
 * Whether the collector takes OTLP over HTTP : asked with requests without telemetry.
 * @returns what was seen, of all three signals
 */
export async function checkOtlpHttp(client: CollectorClient, next: string): Promise<CheckResult> {
  const where = client.address(4318);
  const answers = await Promise.all(
    ["traces", "metrics", "logs"].map(async (signal) => {
      const reply = await client
        .ask(4318, `/v1/${signal}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: "{}",
        })
        .catch((error: Error) => explainConnection(error));
      if (typeof reply === "string") return reply;
      return reply.status === 200 ? undefined : `${signal}: expected 200, got ${reply.status}`;
    }),
  );
  const [fault] = answers.filter((one) => one !== undefined);
  return fault === undefined
    ? passed(`${where} takes all three`)
    : failed(`${where}: ${fault}`, next);
}

/** The same over gRPC, which is how the server sends. */
export async function checkOtlpGrpc(
  port: number,
  now: () => number,
  next: string,
): Promise<CheckResult> {
  const where = { host: "127.0.0.1", port, tls: false };
  const { code, details } = await checkGrpc(where, { untilMs: now() + 5000 });
  if (code === "OK") return passed(`127.0.0.1:${port} takes traces`);
  return failed(`127.0.0.1:${port}: ${code}: ${details}`, next);
}
