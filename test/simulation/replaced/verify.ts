// Stands for scripts/checks/verify.ts: the server's own answers are asked for, telemetry
// is taken as delivered.
import type { Check, Context } from "../../../scripts/checks/check.ts";
import type { Expectation } from "../../../scripts/checks/expectation.ts";
import { cluster } from "../machine.ts";
import { world } from "../world.ts";

/** The checks that a verification needs from a server. */
export async function verifyServer(expected: Expectation, { engine }: Context): Promise<Check[]> {
  const containers = await engine.containers(expected.project);
  const server = containers.find((one) => one.service === "server")?.id ?? "";
  const ask = async (name: string, path: string, requested: string): Promise<Check> => {
    try {
      const { status, body } = await world().effect(`verify ${path}`, 10, () =>
        cluster().answer(server, "GET", path, undefined),
      );
      const passed = status === 200 && body.includes(requested);
      const detail = `expected 200 from ${path}, got ${status} ${body}`;
      return { name, outcome: passed ? "passed" : "failed", detail };
    } catch (error) {
      return { name, outcome: "failed", detail: (error as Error).message };
    }
  };
  const checks = await Promise.all([
    ask("server version", "/v1/health/", expected.version),
    ask("database read", "/v1/agents/", ""),
  ]);
  const process = world().process();
  const isVerified = checks.every((one) => one.outcome === "passed");
  if (process !== undefined && isVerified) process.verified = cluster().serving;
  return checks;
}

/** The collector runs: what it is sent arrives. */
export async function verifyTelemetry(
  expected: Expectation,
  { engine }: Context,
): Promise<Check[]> {
  const containers = await engine.containers(expected.project);
  const is = containers.some((one) => one.service === "collector" && one.health === "healthy");
  const outcome = is ? "passed" : "failed";
  return [{ name: "collector healthy", outcome, detail: "", description: "telemetry" }];
}

/** All of it. */
export async function verify(expected: Expectation, context: Context): Promise<Check[]> {
  const checks = [await verifyTelemetry(expected, context), await verifyServer(expected, context)];
  return checks.flat();
}

/** The same: nothing of it takes long here. */
export function verifyQuickly(expected: Expectation, context: Context): Promise<Check[]> {
  return verify(expected, context);
}

export const spansCheck = "server's spans";

/** Spans are taken as delivered. */
export function verifySpans(): Promise<Check[]> {
  return Promise.resolve([]);
}
