import { setTimeout as sleep } from "node:timers/promises";
import { spanLoad } from "../test/fakes/load/spanLoad.ts";
import { clickHouse, type ClickHouse } from "../test/fakes/otlp/clickHouse.ts";
import { collector, type Collector } from "../test/fakes/otlp/collector.ts";
import { builtCollector, composed } from "../test/fakes/otlp/composed.ts";
import { original } from "./originals.ts";
import type { Row } from "./releases.ts";
import { spanLateness, spanTable } from "./spanTable.ts";

/** How long ClickHouse is away; `npm run bench loss minutes=1` for a shorter look. */
const minutes = Number(
  process.argv.find((word) => word.startsWith("minutes="))?.slice("minutes=".length) ?? 10,
);
const perSecond = 500;
const leadMs = 15_000;
const network = "letta-bench-loss";

/** One collector under load: ours, or the original configuration alongside it. */
interface Subject {
  readonly database: string;
  readonly collector: Collector;
  /** Another configuration that still sends to the same place, as a release would bring one. */
  readonly changed: string;
  readonly configuration: string;
}

interface Fate {
  readonly made: number;
  readonly lost: number;
  readonly twice: number;
  /** Seconds from a span's end to its row. */
  readonly median: number;
  readonly worst: number;
}

type Fault = (subject: Subject, store: Store) => Promise<void>;
/** ClickHouse, which both have in common: what happens to it happens once. */
type Store = ClickHouse & { during(work: () => Promise<void>): Promise<void> };

const faults: readonly (readonly [what: string, fault: Fault, before?: "away"])[] = [
  ["nothing happens", async () => undefined],
  ["collector replaced, same volume", (subject) => subject.collector.replace()],
  [
    "configuration changed and rolled back while ClickHouse is away for 30 s",
    async (subject, store) => {
      const back = store.during(() => sleep(30_000));
      await sleep(10_000);
      await subject.collector.replace(subject.changed).catch(() => undefined);
      await back;
      await subject.collector.replace(subject.configuration);
    },
  ],
  [`ClickHouse away for ${minutes} min`, (_, store) => store.during(() => sleep(minutes * 60_000))],
  ["ClickHouse not there at the collector's start, for 30 s", async () => undefined, "away"],
  [
    "kill -9 of the collector",
    async ({ collector: one }) => {
      await one.kill();
      await one.start();
    },
  ],
];

/**
 * What is lost, doubled and delayed on the way from a server to ClickHouse, for prod's
 * configuration and the original one alongside it: the same spans at the same rate, the same
 * outage of the same ClickHouse. Counted by the ids that are read back with SQL.
 */
export async function loss(): Promise<Row[]> {
  const image = builtCollector({ ...named("http://clickhouse:8123", "otel") });
  const store = clickHouse({ name: `${network}-clickhouse`, network, port: 24110 });
  const rows: Row[] = [];
  try {
    await store.start();
    if (!(await store.answers())) throw new Error("ClickHouse does not answer");
    for (const [index, [what, fault, before]] of faults.entries()) {
      const [ours, theirs] = await suffer(store, image, index, fault, before === "away");
      const claim = what.startsWith("kill")
        ? "ours: one batch buffer (10 s) at most"
        : "ours: none lost";
      rows.push({ what, ours: reported(ours!), theirs: reported(theirs!), claim });
      process.stderr.write(`  ${what}: ${reported(ours!)} | ${reported(theirs!)}\n`);
    }
    return rows;
  } finally {
    await store.remove();
  }
}

async function suffer(
  store: ClickHouse,
  image: string,
  index: number,
  fault: Fault,
  startsAlone: boolean,
): Promise<Fate[]> {
  const subjects = [
    subject(store, image, `ours_${index}`, 24100, true),
    subject(store, image, `original_${index}`, 24120, false),
  ];
  try {
    for (const { database } of subjects) {
      await store.ask(`CREATE DATABASE ${database}`);
      await store.ask(spanTable(database));
    }
    if (startsAlone) await store.stop();
    for (const one of subjects) await one.collector.start();
    if (!startsAlone) {
      for (const one of subjects) {
        if (!(await one.collector.answers()))
          throw new Error(one.collector.log().slice(-5).join("\n"));
      }
    }
    const loads = subjects.map(({ collector: { grpcPort } }) =>
      spanLoad({ port: grpcPort, perSecond }),
    );
    await sleep(startsAlone ? 30_000 : leadMs);
    if (startsAlone) await restart(store);
    const shared = sharedStore(store);
    await Promise.all(subjects.map((one) => fault(one, shared)));
    await sleep(leadMs);
    await Promise.all(loads.map((load) => load.finish(30_000)));
    const fates: Fate[] = [];
    for (const [each, one] of subjects.entries()) {
      fates.push(await fateOf(store, one.database, loads[each]!.made()));
    }
    return fates;
  } finally {
    for (const one of subjects) await one.collector.remove();
  }
}

const named = (endpoint: string, database: string) => ({
  CLICKHOUSE_ENDPOINT: endpoint,
  CLICKHOUSE_DATABASE: database,
  CLICKHOUSE_USERNAME: "default",
  CLICKHOUSE_PASSWORD: "any",
});

function subject(
  store: ClickHouse,
  image: string,
  database: string,
  firstPort: number,
  isOurs: boolean,
): Subject {
  const settings = { ...store.settings, CLICKHOUSE_DATABASE: database };
  const ours = (batch: string) =>
    composed("prod", {
      ...settings,
      OTEL_SAMPLING_PERCENT: "100",
      OTEL_LOG_FILE: "false",
      OTEL_BATCH_SIZE: batch,
    });
  const signoz = { endpoint: "", key: "" };
  const theirs = original("clickhouse-prod", { clickHouse: store.settings, database, signoz });
  const { configuration, secrets } = isOurs ? ours("8192") : { configuration: theirs, secrets: {} };
  const changed = isOurs ? ours("4096").configuration : theirs.replaceAll("8192", "4096");
  const name = `letta-bench-loss-${database.replace("_", "-")}`;
  // The original starts its collector once; ours is a service with a restart policy.
  const restart = isOurs ? { restart: "unless-stopped" as const } : {};
  const parts = { name, image, firstPort, network, configuration, secrets, ...restart };
  return { database, collector: collector(parts), changed, configuration };
}

async function restart(store: ClickHouse): Promise<void> {
  await store.start();
  if (!(await store.answers())) throw new Error("ClickHouse does not come back");
}

/** Anyone who asks first takes it away and brings it back; the others wait for the same. */
function sharedStore(store: ClickHouse): Store {
  let under: Promise<void> | undefined;
  const away = async (work: () => Promise<void>) => {
    await store.stop();
    await work();
    await restart(store);
  };
  return { ...store, during: (work) => (under ??= away(work)) };
}

/** Waits until nothing more comes: twice the longest pause between two tries. */
async function fateOf(store: ClickHouse, database: string, made: number): Promise<Fate> {
  let [stored, since] = [-1, performance.now()];
  while (stored < made && performance.now() - since < 60_000) {
    const [row] = await store.ask(`SELECT uniqExact(SpanId) FROM ${database}.otel_traces`);
    if (Number(row?.[0]) !== stored) [stored, since] = [Number(row?.[0]), performance.now()];
    await sleep(1000);
  }
  const [row = []] = await store.ask(
    `SELECT count(), uniqExact(SpanId), quantileExact(0.5)(${spanLateness}), max(${spanLateness}) FROM ${database}.otel_traces`,
  );
  const [all = 0, unique = 0, median = 0, worst = 0] = row.map(Number);
  return { made, lost: made - unique, twice: all - unique, median, worst };
}

function reported({ made, lost, twice, median, worst }: Fate): string {
  const counted = `${lost} lost of ${made}, ${twice} twice`;
  if (lost === made) return counted;
  return `${counted}; ${median.toFixed(1)} s, at worst ${worst.toFixed(1)} s`;
}
