import { compare, satisfies, valid } from "semver";
import type { Section } from "./fragments.ts";

/** A change of the composition: what is set or removed below a path, if that path is there. */
type Edit =
  | {
      readonly under: readonly string[];
      readonly set?: Readonly<Record<string, unknown>>;
      readonly remove?: readonly string[];
    }
  /** A key anywhere, where it has this value. */
  | { readonly everywhere: string; readonly from: string; readonly to: string };

interface VersionStep {
  /** The first version that has it. */
  readonly version: string;
  readonly description: string;
  /** Where it is written down, or was seen. */
  readonly source: string;
  readonly edits?: readonly Edit[];
  /** SQL for tables of an older version, to run before the first start; harmless twice. */
  readonly schema?: readonly string[];
  /** SQL to run before a version from before this step starts on newer tables. */
  readonly back?: readonly string[];
  /** Feature gates that are set when it starts, in the notation of --feature-gates. */
  readonly gates?: readonly string[];
}

const metricTables = ["gauge", "sum", "histogram", "exponential_histogram", "summary"];
const contrib = "opentelemetry-collector-contrib";
const core = "opentelemetry-collector";

/**
 * What each version of the collector after 0.96.0 needs of what is written for 0.96.0, oldest
 * first. A step without edits and SQL is one to know of. The ids of components never change: their
 * files in the queue's directory are named after them, and old names of types stay accepted.
 */
export const versionSteps: readonly VersionStep[] = [
  {
    version: "0.98.0",
    description: "ClickHouse: the tables of metrics have a column ServiceName",
    source: `${contrib}#31803; the exporter's sources at 0.97.0 and 0.98.0`,
    schema: metricTables.map(
      (table) =>
        `ALTER TABLE otel_metrics_${table} ADD COLUMN IF NOT EXISTS ServiceName LowCardinality(String) CODEC(ZSTD(1))`,
    ),
  },
  {
    version: "0.98.0",
    description: "an OTLP endpoint needs its port",
    source: `${core} changelog 0.98.0`,
  },
  {
    version: "0.100.0",
    description: "a log line that cannot be parsed need not be reported each time",
    source: `${contrib}#32220`,
    edits: [{ everywhere: "on_error", from: "send", to: "send_quiet" }],
  },
  {
    version: "0.102.1",
    description: "CVE-2024-36129 (a small compressed request fills the memory) is closed",
    source: "CVE-2024-36129",
  },
  {
    version: "0.104.0",
    description:
      "ClickHouse: the temporality has one name, AggregationTemporality, in three tables",
    source: `${contrib}#33425; the exporter's sources at 0.103.0 and 0.104.0`,
    // Not renamed: with the old column as its default, both versions can write to the table.
    schema: [
      "ALTER TABLE otel_metrics_sum ADD COLUMN IF NOT EXISTS AggTemp Int32 CODEC(ZSTD(1))",
      "ALTER TABLE otel_metrics_sum ADD COLUMN IF NOT EXISTS AggregationTemporality Int32 DEFAULT AggTemp CODEC(ZSTD(1))",
      "ALTER TABLE otel_metrics_histogram ADD COLUMN IF NOT EXISTS AggregationTemporality Int32 CODEC(ZSTD(1))",
      "ALTER TABLE otel_metrics_exponential_histogram ADD COLUMN IF NOT EXISTS AggregationTemporality Int32 CODEC(ZSTD(1))",
    ],
    back: [
      "ALTER TABLE otel_metrics_sum ADD COLUMN IF NOT EXISTS AggTemp Int32 DEFAULT AggregationTemporality CODEC(ZSTD(1))",
    ],
  },
  {
    version: "0.104.0",
    description: "ClickHouse: inserts wait until their rows are there, as they did before",
    source: `${contrib}#33614; the exporter's source at 0.104.0: its default is async_insert`,
    edits: [{ under: ["exporters", "clickhouse"], set: { async_insert: false } }],
  },
  {
    version: "0.106.0",
    description: "a secret that holds $$ or ${ cannot arrive unchanged any more",
    source: `${core} confmap at 1.67.0: what an environment variable holds is expanded too`,
  },
  {
    version: "0.110.0",
    description: "the metrics otelcol_processor_accepted_* and _dropped_* are gone",
    source: `${core} changelog 0.110.0`,
  },
  {
    version: "0.111.0",
    description: "its own metrics are given out by a reader; the old key is refused from 0.128 on",
    source: `${core}#11205`,
    edits: [
      {
        under: ["service", "telemetry", "metrics"],
        remove: ["address"],
        set: {
          readers: [
            {
              pull: {
                exporter: {
                  prometheus: {
                    host: "0.0.0.0",
                    port: 8888,
                    // The names stay those of 0.96.
                    without_scope_info: true,
                    without_type_suffix: true,
                    without_units: true,
                  },
                },
              },
            },
          ],
        },
      },
    ],
  },
  {
    version: "0.144.0",
    description:
      "otlp is called otlp_grpc; the old name is accepted, and retained for the queue's sake",
    source: `${core} changelog 0.144.0`,
  },
  {
    version: "0.148.0",
    description: "the log file's offsets stay JSON: older versions cannot read the new form",
    source: `${contrib}#43266; 0.96.0 on offsets of 0.161.0: "decoding file count: invalid character"`,
    gates: ["-filelog.protobufCheckpointEncoding"],
  },
  {
    version: "0.149.0",
    description:
      "filelog is called file_log; the old name is accepted, and retained for the offsets' sake",
    source: `${contrib}#46750`,
  },
  {
    version: "0.151.0",
    description: "ClickHouse: a new otel_logs has other columns and indices; the old one serves on",
    source: `${contrib} changelog 0.151.0; the exporter's source at 0.161.0`,
  },
  {
    version: "0.155.0",
    description: "the memory limiter's metrics are called otelcol_processor_memory_limiter_*",
    source: `${core} changelog 0.155.0`,
  },
  {
    version: "0.161.0",
    description:
      "ClickHouse: a log record's EventName is retained where the table has a column for it",
    source: `${contrib}#43164; in the exporter's sources at 0.161.0, not at 0.139.0`,
    schema: ["ALTER TABLE otel_logs ADD COLUMN IF NOT EXISTS EventName String CODEC(ZSTD(1))"],
  },
];

/** A composition for 0.96.0, made into one for a later version. */
export function applySteps(configuration: Section, version: string): Section {
  return versionSteps
    .filter((step) => compare(step.version, version) <= 0)
    .flatMap((step) => step.edits ?? [])
    .reduce(apply, configuration);
}

/** The feature gates a version is started with, in the notation of --feature-gates; "" for none. */
export function collectorGates(version: string): string {
  return versionSteps
    .filter((step) => compare(step.version, version) <= 0)
    .flatMap((step) => step.gates ?? [])
    .join(",");
}

function apply(configuration: Section, edit: Edit): Section {
  if ("everywhere" in edit) return replace(configuration, edit) as Section;
  return below(configuration, edit.under, (section) => {
    const retained = Object.entries(section).filter(([key]) => !(edit.remove ?? []).includes(key));
    return { ...Object.fromEntries(retained), ...edit.set };
  });
}

function replace(value: unknown, edit: Extract<Edit, { everywhere: string }>): unknown {
  if (Array.isArray(value)) return value.map((item) => replace(item, edit));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === edit.everywhere && inner === edit.from ? edit.to : replace(inner, edit),
    ]),
  );
}

/** Changes the section at a path; without one, nothing. */
function below(
  section: Section,
  path: readonly string[],
  change: (section: Section) => Section,
): Section {
  const [key, ...rest] = path;
  if (key === undefined) return change(section);
  const inner = section[key];
  if (typeof inner !== "object" || inner === null) return section;
  return { ...section, [key]: below(inner as Section, rest, change) };
}

/** A step on the way from one version of the collector to another, as the plan shows it. */
interface ListedStep {
  readonly version: string;
  readonly description: string;
  readonly source: string;
  /** To run on ClickHouse's database before the other version starts there. */
  readonly sql: readonly string[];
}

/**
 * What changes between two versions of the collector, in the order in which it is met; on the
 * way down the newest first.
 */
export function listSteps(from: string, to: string): ListedStep[] {
  const back = compare(from, to) > 0;
  const [low, high] = back ? [to, from] : [from, to];
  const passed = versionSteps
    .filter((step) => compare(step.version, low) > 0 && compare(step.version, high) <= 0)
    .map(({ version, description, source, schema = [], back: sqlBack = [] }) => ({
      version,
      description,
      source,
      sql: back ? sqlBack : schema,
    }));
  return back ? passed.reverse() : passed;
}

/**
 * What has to be done to ClickHouse's tables before a version of the collector writes to them,
 * whichever version made them: everything of versions up to it, and what newer ones' tables need
 * for it to write there. Harmless where it is done already.
 * @returns SQL for the collector's database, oldest first
 */
export function migrateTables(version: string): string[] {
  return versionSteps.flatMap((step) =>
    compare(step.version, version) <= 0 ? (step.schema ?? []) : (step.back ?? []),
  );
}

const unitSeconds = { Second: 1, Minute: 60, Hour: 3600, Day: 86_400 } as const;

/**
 * The exporter says how long rows are retained when it makes a table, and never again.
 * @param table its name
 * @param create its definition, as ClickHouse keeps it
 * @param seconds how long rows are to be retained
 * @returns the SQL that makes it so; nothing where it is so, or was made without a limit
 */
export function migrateRetention(
  table: string,
  create: string,
  seconds: number,
): string | undefined {
  const found = /\bTTL (.+?) \+ toInterval(Second|Minute|Hour|Day)\((\d+)\)/.exec(create);
  if (found === null) return undefined;
  const [, column, unit, count] = found;
  if (Number(count) * unitSeconds[unit as keyof typeof unitSeconds] === seconds) return undefined;
  return `ALTER TABLE \`${table}\` MODIFY TTL ${column} + toIntervalSecond(${seconds})`;
}

interface SkippedVersion {
  /** As semver writes ranges. */
  readonly range: string;
  readonly reason: string;
  readonly source: string;
}

/** Versions between the tried ones that must not be used, and why. */
export const skippedVersions: readonly SkippedVersion[] = [
  {
    range: ">=0.104.0 <0.106.0",
    reason:
      "it reads a value from its environment as YAML, so that a password such as 0123 arrives as 83",
    source: "opentelemetry-collector changelog 0.104.0, 0.105.0 and 0.106.0",
  },
  {
    range: "0.107.x",
    reason: "its ClickHouse driver loses the column list, and every insert of logs fails",
    source: "opentelemetry-collector-contrib#34717",
  },
  {
    range: "0.130.0",
    reason: "it gives its own metrics other names (otelcol_…__spans__total); 0.130.1 does not",
    source: "opentelemetry-collector changelog 0.130.1",
  },
];

/**
 * Whether a version of the collector may be used at all.
 * @returns one line if not, with the reason
 */
export function checkVersion(version: string): string[] {
  const { oldest, newest } = triedVersions;
  const refused = (why: string) => [`OTEL_VERSION: expected ${oldest} to ${newest}, ${why}`];
  if (valid(version) === null) return refused(`got ${version}`);
  if (compare(version, oldest) < 0) {
    return refused(`got ${version}: what is written for ${oldest} was never tried below it`);
  }
  if (compare(version, newest) > 0) {
    return refused(`got ${version}: newer than any that was tried`);
  }
  const skipped = skippedVersions.find((one) => satisfies(version, one.range));
  if (skipped === undefined) return [];
  return refused(`but not ${version}: ${skipped.reason} (${skipped.source})`);
}

/** The versions of the collector everything was tried at; those between are taken on their word. */
export const triedVersions = { oldest: "0.96.0", newest: "0.161.0" } as const;
