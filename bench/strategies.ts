import { setTimeout as sleep } from "node:timers/promises";
import { lettaStreams } from "../test/fakes/load/lettaStreams.ts";
import {
  loadFigures,
  startLoad,
  type LoadFigures,
  type Streams,
} from "../test/fakes/load/requestLoad.ts";
import { spansOfLoad } from "../test/fakes/load/spansOfLoad.ts";
import { openAi, type OpenAi } from "../test/fakes/openAi.ts";
import { gateway } from "../test/fakes/otlp/collector.ts";
import { down, prodBench, project } from "./prodBench.ts";
import type { Row } from "./releases.ts";

/**
 * Requests a second, four of five reads, one a write: as many as real Letta answers on two cores
 * alongside a deploy. With `rate=N` so many, and with `health=P` P of a hundred of them ask for its
 * health alone.
 */
const usual = 5;
/** How long a stream takes, and how often one is opened: each is an agent's answer. */
const streamSeconds = 8;
const streamEverySeconds = 4;

/** So that a span of each request is to be found. */
const everyTrace = { OTEL_SAMPLING_PERCENT: "100" };
/** A server may take half a minute to find its collector made anew, which sends each batch after ten. */
const deliveredMs = 60_000;

interface Measured {
  readonly what: string;
  readonly figures: LoadFigures;
  /** The names of the requests that were answered. */
  readonly answered: readonly string[];
}

/** Does something while requests and streams come at an even rate. */
async function underLoad(
  { proxyUrl, password }: Pick<ReturnType<typeof prodBench>, "proxyUrl" | "password">,
  streams: Streams | undefined,
  what: string,
  work: () => Promise<{ said: { strategy?: string } } | void>,
): Promise<Measured> {
  const load = startLoad({
    proxyUrl: proxyUrl(),
    password,
    perSecond: wordOf("rate", usual),
    healthPercent: wordOf("health", 0),
    ...(streams && { streams }),
  });
  const done = await work();
  const seen = await load.stop();
  const answered = seen.flatMap(({ name, outcome }) => (outcome === 200 ? (name ?? []) : []));
  const figures = loadFigures(seen);
  process.stderr.write(`${what}: ${JSON.stringify(figures)}\n`);
  const how = done?.said.strategy;
  return { what: how === undefined ? what : `${what} (${how})`, figures, answered };
}

/** A migration that the old server bears, on a database of its own. */
async function borne(): Promise<Measured> {
  const place = prodBench();
  const models = await openAi(gateway(), streamSeconds);
  try {
    await place.good("deploy", ["prod", "0.16.6"]);
    const streams = await lettaStreams(
      { proxyUrl: place.proxyUrl(), password: place.password },
      models,
      streamEverySeconds,
    );
    return await underLoad(place, streams, "deploy 0.16.6 → 0.16.8", () =>
      place.good("deploy", ["prod", "0.16.8"]),
    );
  } finally {
    place.close();
    models.close();
  }
}

/**
 * Requests at an even rate through the proxy while real Letta is deployed, turned back and set
 * otherwise; then the same upgrade by hand with plain Compose. Takes some ten minutes.
 */
export async function strategies(): Promise<Row[]> {
  const bears = await borne();
  const place = prodBench();
  const { good, file, plain, proxyUrl, password, environment, close } = place;
  const rows: Row[] = [];
  const answered: string[] = [];
  let models: OpenAi | undefined;
  let streams: Streams | undefined;
  const openStreams = async () => {
    models ??= await openAi(gateway(), streamSeconds);
    streams = await lettaStreams({ proxyUrl: proxyUrl(), password }, models, streamEverySeconds);
  };
  const measured = async (what: string, work: Parameters<typeof underLoad>[3]) => {
    const one = await underLoad(place, streams, what, work);
    answered.push(...one.answered);
    return one;
  };
  const row = ({ what, figures }: Measured, theirs: LoadFigures | undefined = undefined) => {
    rows.push({
      what,
      ours: reported(figures),
      theirs: theirs ? reported(theirs) : "",
      claim: "0 failed",
    });
  };
  const deploy = (tag: string, more: Readonly<Record<string, string>> = {}) =>
    good("deploy", ["prod", tag], { ...everyTrace, ...more });
  try {
    await deploy("0.15.1");
    await openStreams();
    const older = file();
    row(
      await measured("nothing done", () => new Promise((resolve) => setTimeout(resolve, 20_000))),
    );
    const upgrade = await measured("deploy 0.15.1 → 0.16.8", () => deploy("0.16.8"));
    const newer = file();
    const back = await measured("rollback to 0.15.1", () => good("rollback", []));
    await deploy("0.16.7");
    const swap = await measured("deploy 0.16.7 → 0.16.8", () => deploy("0.16.8"));
    const swapBack = await measured("rollback to 0.16.7", () => good("rollback", []));
    const setting = await measured("a setting of the server", () =>
      deploy("0.16.7", { LETTA_DEBUG: "true" }),
    );
    const collector = await measured("a setting of the collector", () =>
      deploy("0.16.7", { LETTA_DEBUG: "true", OTEL_BATCH_SIZE: "4096" }),
    );
    const body = await measured("a setting of the proxy", () =>
      deploy("0.16.7", { LETTA_DEBUG: "true", OTEL_BATCH_SIZE: "4096", PROXY_MAX_BODY: "32MB" }),
    );
    await sleep(deliveredMs);
    const there = spansOfLoad(project);
    const missing = answered.filter((one) => !there.has(one));
    process.stderr.write(`requests without a span: ${missing.length} of ${answered.length}\n`);
    rows.push({
      what: "requests of all these whose span is not in the sink",
      ours: `${missing.length} of ${answered.length}`,
      theirs: "",
      claim: "0",
    });
    down(environment);
    if ((await plain(older)) !== 0) throw new Error("plain Compose does not bring it up");
    await openStreams();
    const byHand = await measured("upgrade by hand", async () => void (await plain(newer)));
    row(upgrade, byHand.figures);
    for (const one of [bears, back, swap, swapBack, setting, collector, body]) row(one);
    return rows;
  } finally {
    close();
    models?.close();
  }
}

/** A number among the words of the command line: `rate=100`. */
function wordOf(name: string, otherwise: number): number {
  const word = process.argv.find((one) => one.startsWith(`${name}=`));
  return word === undefined ? otherwise : Number(word.slice(name.length + 1));
}

function reported({ requests, again, failed, p50, p99, longest }: LoadFigures): string {
  const count = Object.values(failed).reduce((sum, one) => sum + one, 0);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  return `${count} of ${requests} failed, ${again} asked twice, p50 ${p50.toFixed(0)} ms, p99 ${seconds(p99)}, longest ${seconds(longest)}`;
}
