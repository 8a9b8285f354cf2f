import { setTimeout as sleep } from "node:timers/promises";
import { readDelivery } from "../stack/readDelivery.ts";
import type { TwinConfiguration } from "../stack/twinConfiguration.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Context } from "../state/context.ts";
import { waitFor } from "./waitFor.ts";
import type { Settings } from "../settings/readSettings.ts";
import { twinSinkName, type TwinStack } from "../stack/twinStack.ts";
import { sendSpansOverHttp } from "../checks/canary.ts";
import { collectorClient, type CollectorClient } from "../checks/collectorClient.ts";
import { routeLimitMs, scrape } from "../checks/watchRoutes.ts";
import { countSpans } from "./countSpans.ts";

/** How long spans are sent with the sink there, without it, and with it again. */
const calmMs = 2000;
const downtimeMs = 10_000;
/** Every so often so many spans. */
const everyMs = 500;
const spansEach = 25;
/** The exporter's own longest wait between two tries, as otel/ has it. */
const longestRetryMs = 30_000;
/** For each part of the twin to come up. */
const startSeconds = 120;
const graceSeconds = 10;

export interface Twin {
  readonly stack: TwinStack;
  /** The rendered file, as Compose reads it. */
  readonly file: string;
  readonly configuration: TwinConfiguration;
}

/**
 * Starts a twin, sends spans all the while, takes its sink away and brings it back, and waits
 * until all have come.
 * @returns the counts
 * @throws Error with the counts where they do not match; Problem STEP_FAILED where a part of
 *   the twin does not come up
 */
export async function failOver(
  settings: Settings,
  twin: Twin,
  report: (text: string) => void,
  context: Context,
): Promise<string> {
  const { engine, now, signal } = context;
  const { configuration } = twin;
  const password = context.randomBytes(20).toString("hex");
  report("starts");
  const { container, start } = await make(settings, twin, password, context);
  await start(twinSinkName);
  await start("collector");
  const client = collectorClient("collector", new Map(), container("collector"), engine);
  const sink = container(twinSinkName);
  const trace = context.randomBytes(16).toString("hex");
  const send = sender(client, trace, context);

  report("spans are sent");
  await send(calmMs);
  report("its sink is taken away");
  const left = now();
  await Promise.all([engine.stop(sink.id, graceSeconds), send(downtimeMs)]);
  report("its sink comes back");
  await start(twinSinkName);
  const back = now();
  const sent = await send(calmMs);

  const delivery = readDelivery(configuration.text);
  const limitMs = longestRetryMs + routeLimitMs(delivery.routes[0]!, delivery);
  const count = () => countSpans(sink.id, { configuration, delivery, password, trace }, engine);
  let found = await count();
  while (found.distinct < sent && now() - back < limitMs) {
    signal.throwIfAborted();
    report(`${found.distinct} of ${sent} spans are there`);
    await sleep(everyMs);
    found = await count();
  }
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  const took = seconds(now() - back);
  const { failed, notQueued } = (await scrape(client)).exported(configuration.exporter, "traces");
  const lost = failed + notQueued;
  const counts = `${sent} spans sent, ${found.distinct} there, ${found.all - found.distinct} of them again`;
  if (found.distinct !== sent || lost > 0) {
    throw new Error(
      `expected every span, got ${counts}, ${lost} given up, ${took} s after the sink`,
    );
  }
  return `${counts}; the sink was away for ${seconds(back - left)} s, all had come ${took} s later`;
}

/** Makes the twin's containers, with a password of their own for every secret. */
async function make(settings: Settings, { stack, file }: Twin, password: string, context: Context) {
  const { engine, signal } = context;
  const names = [...settings.secrets.keys(), "CLICKHOUSE_PASSWORD"];
  const secrets = Object.fromEntries(names.map((name) => [name, password]));
  const call = { file, project: stack.project, secrets };
  await engine.create(
    call,
    stack.services.map((one) => one.name),
  );
  const made = await engine.containers(stack.project);
  const container = (service: string): ObservedContainer =>
    made.find((one) => one.service === service)!;
  const start = async (service: string) => {
    const part = stack.services.find((one) => one.name === service)!;
    const { id } = container(service);
    const before = await engine.inspect(id);
    const starting = part.hasFiles ? engine.startWithFiles(call, service) : engine.start(id);
    await Promise.all([starting, waitFor(part, before, startSeconds, context, signal)]);
  };
  return { container, start };
}

/** Sends spans of one trace for a while. @returns a function that returns how many in all */
function sender(client: CollectorClient, trace: string, { now, signal }: Context) {
  let sent = 0;
  const spanId = (number: number) => number.toString(16).padStart(16, "0");
  return async (durationMs: number): Promise<number> => {
    for (const until = now() + durationMs; now() < until;) {
      signal.throwIfAborted();
      const next = now() + everyMs;
      const ids = Array.from({ length: spansEach }, (_, index) => spanId(sent + index + 1));
      await sendSpansOverHttp(client, trace, ids, now());
      sent += spansEach;
      await sleep(Math.max(0, next - now()));
    }
    return sent;
  };
}
