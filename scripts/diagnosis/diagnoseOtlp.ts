import type { CollectorDoor } from "../verification/collectorDoor.ts";
import { failed, passed, type Judgement } from "./diagnose.ts";
import { explainConnection } from "./diagnoseConnection.ts";
import { diagnoseGrpc } from "./diagnoseGrpc.ts";

/**
 * Whether the collector takes OTLP over HTTP at its door: asked with requests without telemetry.
 * @returns what was seen, of all three signals
 */
export async function diagnoseOtlpHttp(door: CollectorDoor, next: string): Promise<Judgement> {
  const where = door.address(4318);
  const answers = await Promise.all(
    ["traces", "metrics", "logs"].map(async (signal) => {
      const reply = await door
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
export async function diagnoseOtlpGrpc(
  port: number,
  now: () => number,
  next: string,
): Promise<Judgement> {
  const where = { host: "127.0.0.1", port, tls: false };
  const { code, details } = await diagnoseGrpc(where, { untilMs: now() + 5000 });
  if (code === "OK") return passed(`127.0.0.1:${port} takes traces`);
  return failed(`127.0.0.1:${port}: ${code}: ${details}`, next);
}
