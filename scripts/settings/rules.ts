import { byteSize, durationMs } from "../common/units.ts";
import type { EnvironmentName } from "./environmentName.ts";
import type { SettingName } from "./settingDefinitions.ts";
import { isSigNozCloud } from "./telemetrySettings.ts";

/** What a rule may look at: values as they won, and where each was set. */
interface Facts {
  readonly environment: EnvironmentName;
  get(name: SettingName): string;
  origin(name: SettingName): string;
}

/** A rule that does not hold, reported at the setting that is easiest to change. */
interface Breach {
  readonly name: SettingName;
  readonly expected: string;
  readonly got: string;
}

type Rule = (facts: Facts) => readonly Breach[];

const isGuarded = ({ environment }: Facts) => environment === "staging" || environment === "prod";

const isBundled = ({ get }: Facts) => get("CLICKHOUSE_MODE") === "bundled";

function publishedPorts(facts: Facts): SettingName[] {
  const own: SettingName[] = isGuarded(facts) ? [] : ["PORT", "POSTGRES_PUBLISH_PORT"];
  const withProxy = hasProxy(facts.environment, facts.get("PROXY"));
  return [
    ...own,
    ...(withProxy ? (["PROXY_HTTPS_PORT"] as const) : []),
    "OTEL_GRPC_PORT",
    "OTEL_HTTP_PORT",
    "OTEL_HEALTH_PORT",
    "OTEL_METRICS_PORT",
    ...(isBundled(facts) ? (["CLICKHOUSE_PUBLISH_PORT"] as const) : []),
    ...(facts.get("GRAFANA_ENABLED") === "true" ? (["GRAFANA_PUBLISH_PORT"] as const) : []),
  ];
}

const thereIsADatabase: Rule = ({ get }) => {
  if (get("LETTA_PG_URI") || get("LETTA_PG_PASSWORD")) return [];
  const expected = "a password for the bundled database, or a LETTA_PG_URI";
  return [{ name: "LETTA_PG_PASSWORD", expected, got: "nothing" }];
};

/** Roles that the tool makes in the bundled database: see database/roles.ts and takeOverRoles.ts. */
const reservedRoles: Readonly<Record<string, string>> = {
  letta_admin: "letta-stack's own superuser there",
  letta_rehearsal: "the role of rehearsals there",
  letta_setup: "a role of letta-stack's own there",
};

const databaseUserIsFree: Rule = ({ get }) => {
  const user = get("LETTA_PG_USER");
  if (get("LETTA_PG_URI")) return [];
  const isReserved = user.startsWith("pg_") || user === "public" || user === "none";
  const reason =
    reservedRoles[user] ?? (isReserved ? "a name that PostgreSQL reserves" : undefined);
  if (reason === undefined) return [];
  const expected = "a role of the application's own, such as letta";
  return [{ name: "LETTA_PG_USER", expected, got: `${user}, ${reason}` }];
};

const sandboxIsOnePlace: Rule = ({ get, origin }) => {
  const [mounted, looked] = [get("LETTA_SANDBOX_MOUNT_PATH"), get("TOOL_EXEC_DIR")];
  if (!mounted || !looked || mounted === looked) return [];
  const expected = `what LETTA_SANDBOX_MOUNT_PATH is (${origin("LETTA_SANDBOX_MOUNT_PATH")})`;
  return [{ name: "TOOL_EXEC_DIR", expected, got: "another path" }];
};

const redisIsWhole: Rule = ({ get }) => {
  if (get("LETTA_REDIS_HOST")) return [];
  const expected = "a value, as LETTA_REDIS_PORT is set: both name a Redis outside the stack";
  const outside: Breach = { name: "LETTA_REDIS_HOST", expected, got: "nothing" };
  if (get("LETTA_REDIS_PORT")) return [outside];
  if (get("REDIS_ENABLED") !== "true") return [];
  const missing = (["REDIS_IMAGE", "REDIS_MEMORY"] as const)
    .filter((name) => !get(name))
    .map((name) => ({ name, expected: "a value, as REDIS_ENABLED is true", got: "nothing" }));
  const [data, limit] = [get("REDIS_MAXMEMORY"), get("REDIS_MEMORY")];
  if (missing.length > 0 || byteSize(data) < byteSize(limit)) return missing;
  return [{ name: "REDIS_MAXMEMORY", expected: `less than REDIS_MEMORY (${limit})`, got: data }];
};

/** Left empty, the exporter and Letta's reader would each assume something else. */
const clickHouseIsWhole: Rule = ({ get }) => {
  if (!get("CLICKHOUSE_ENDPOINT") || !get("CLICKHOUSE_PASSWORD")) return [];
  const expected = "a value, as CLICKHOUSE_ENDPOINT and CLICKHOUSE_PASSWORD are set";
  const names = ["CLICKHOUSE_DATABASE", "CLICKHOUSE_USERNAME"] as const;
  return names.filter((name) => !get(name)).map((name) => ({ name, expected, got: "nothing" }));
};

/** Its address alone sends nothing there: the telemetry would go to files. */
const backendIsWhole: Rule = (facts) => {
  const { get } = facts;
  const needs = (name: SettingName, other: SettingName): Breach[] =>
    get(other) ? [] : [{ name, expected: `${other} to be set too`, got: "it alone" }];
  // What is no address at all has been reported.
  const isOutside = /^https?:/.test(get("CLICKHOUSE_ENDPOINT")) && !isBundled(facts);
  return [
    ...(isOutside ? needs("CLICKHOUSE_ENDPOINT", "CLICKHOUSE_PASSWORD") : []),
    ...(isSigNozCloud(get("SIGNOZ_ENDPOINT"))
      ? needs("SIGNOZ_ENDPOINT", "SIGNOZ_INGESTION_KEY")
      : []),
  ];
};

/** With one password for all, a reader of a dashboard could delete the telemetry. */
const bundledHasUsers: Rule = (facts) => {
  if (!isBundled(facts)) return [];
  const { get } = facts;
  const passwords = [
    "CLICKHOUSE_PASSWORD",
    "CLICKHOUSE_READER_PASSWORD",
    "CLICKHOUSE_ADMIN_PASSWORD",
  ] as const;
  const missing = passwords
    .filter((name) => !get(name))
    .map((name) => ({
      name,
      expected: "a password, as CLICKHOUSE_MODE is bundled",
      got: "nothing",
    }));
  const users = ["CLICKHOUSE_USERNAME", "CLICKHOUSE_READER_USERNAME"] as const;
  const taken = users
    .filter((name) => !/^[a-z_][a-z0-9_]*$/u.test(get(name)) || get(name) === "admin")
    .map((name) => ({
      name,
      expected: "a name of a-z, 0-9 and _, other than admin, as CLICKHOUSE_MODE is bundled",
      got: get(name) || "nothing",
    }));
  const same =
    get("CLICKHOUSE_USERNAME") === get("CLICKHOUSE_READER_USERNAME")
      ? [
          {
            name: "CLICKHOUSE_READER_USERNAME" as const,
            expected: "another user than the one that writes, as CLICKHOUSE_MODE is bundled",
            got: "the same",
          },
        ]
      : [];
  return [...missing, ...taken, ...same];
};

const grafanaIsClosed: Rule = ({ get }) => {
  if (get("GRAFANA_ENABLED") !== "true") return [];
  const names = ["GRAFANA_ADMIN_PASSWORD", "GRAFANA_SECRET_KEY"] as const;
  const password = names
    .filter((name) => !get(name))
    .map((name) => ({ name, expected: "a value, as GRAFANA_ENABLED is true", got: "nothing" }));
  const source = get("CLICKHOUSE_ENDPOINT")
    ? []
    : [
        {
          name: "CLICKHOUSE_ENDPOINT" as const,
          expected:
            "a ClickHouse to show (CLICKHOUSE_MODE=bundled brings one), as GRAFANA_ENABLED is true",
          got: "nothing",
        },
      ];
  return [...password, ...source];
};

const portsAreDistinct: Rule = (facts) => {
  const holders = new Map<string, SettingName>();
  const breaches: Breach[] = [];
  for (const name of publishedPorts(facts)) {
    const port = facts.get(name);
    const holder = holders.get(port);
    if (port && holder) {
      const got = `the one of ${holder} (${facts.origin(holder)})`;
      breaches.push({ name, expected: "a port of its own", got });
    }
    if (!holder) holders.set(port, name);
  }
  return breaches;
};

const guardedIsSecure: Rule = (facts) =>
  isGuarded(facts) && facts.get("SECURE") === "false"
    ? [{ name: "SECURE", expected: `true in ${facts.environment}`, got: "false" }]
    : [];

/** Where it cannot be left out, and where it is one more way in. */
const proxyIsInFront: Rule = (facts) => {
  const { environment, get } = facts;
  if (isGuarded(facts)) {
    if (get("PROXY") !== "false") return [];
    return [{ name: "PROXY", expected: `true in ${environment}`, got: "false" }];
  }
  if (!hasProxy(environment, get("PROXY"))) return [];
  const names = ["PROXY_PUBLISH_HOST", "PROXY_HTTPS_PORT"] as const;
  const missing = names
    .filter((name) => !get(name))
    .map((name) => ({ name, expected: "a value, as PROXY is true", got: "nothing" }));
  const host = get("PROXY_PUBLISH_HOST");
  const isOpen = !missing.length && host !== "127.0.0.1" && get("SECURE") !== "true";
  const expected = "127.0.0.1, unless SECURE is true";
  return isOpen ? [{ name: "PROXY_PUBLISH_HOST", expected, got: host }] : missing;
};

const certificateHasAKey: Rule = ({ get }) => {
  const names = ["PROXY_CERT_FILE", "PROXY_KEY_FILE"] as const;
  if (names.every((name) => !get(name))) return [];
  const expected = "a file, as PROXY_CERT_FILE and PROXY_KEY_FILE go together";
  return names.filter((name) => !get(name)).map((name) => ({ name, expected, got: "nothing" }));
};

/** The other two have a certificate for their own names. */
const namesAreForTheOwnCa: Rule = ({ get }) => {
  const other = (["PROXY_CERT_FILE", "PROXY_DOMAIN"] as const).find((name) => get(name));
  if (!get("PROXY_NAMES") || other === undefined) return [];
  return [
    { name: "PROXY_NAMES", expected: `nothing, as ${other} is set`, got: get("PROXY_NAMES") },
  ];
};

/** Letta would make a password up and print it. */
const secureHasAPassword: Rule = (facts) => {
  const { get } = facts;
  if (isGuarded(facts) || get("SECURE") !== "true" || get("LETTA_SERVER_PASSWORD")) return [];
  const expected = "a password, as SECURE is true";
  return [{ name: "LETTA_SERVER_PASSWORD", expected, got: "nothing" }];
};

/** A server that is being stopped answers what it was asked while others wait at the proxy. */
const drainFitsThePause: Rule = (facts) => {
  if (!hasProxy(facts.environment, facts.get("PROXY"))) return [];
  const seconds = (name: SettingName) => durationMs(facts.get(name)) / 1000;
  const [drain, hold] = [seconds("DRAIN_TIMEOUT"), seconds("PAUSE_TIMEOUT")];
  if (hold === 0 || drain < hold) return [];
  const expected = `less than PAUSE_TIMEOUT (${hold} s), as requests are paused meanwhile`;
  return [{ name: "DRAIN_TIMEOUT", expected, got: `${drain} s` }];
};

/** The server's SDK does not start with it otherwise. */
const batchFitsTheQueue: Rule = ({ get }) => {
  const [batch, queue] = [get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE"), get("OTEL_BSP_MAX_QUEUE_SIZE")];
  if (!batch || !queue || Number(batch) <= Number(queue)) return [];
  const expected = `at least OTEL_BSP_MAX_EXPORT_BATCH_SIZE (${batch})`;
  return [{ name: "OTEL_BSP_MAX_QUEUE_SIZE", expected, got: queue }];
};

/** Two servers run side by side while one takes over from the other. */
const poolsFitTheDatabase: Rule = ({ get }) => {
  if (get("LETTA_PG_URI") || get("LETTA_DISABLE_SQLALCHEMY_POOLING") === "true") return [];
  const number = (name: SettingName) => Number(get(name) || 1);
  const each = number("LETTA_PG_POOL_SIZE") + number("LETTA_PG_MAX_OVERFLOW");
  const workers = number("LETTA_UVICORN_WORKERS");
  const most = number("POSTGRES_MAX_CONNECTIONS") - reservedConnections;
  if (2 * workers * each <= most) return [];
  const expected = `with LETTA_PG_MAX_OVERFLOW ${Math.floor(most / (2 * workers))} at most: two servers of ${workers} worker(s) side by side share POSTGRES_MAX_CONNECTIONS less ${reservedConnections}`;
  return [{ name: "LETTA_PG_POOL_SIZE", expected, got: String(each) }];
};

/** What must hold between settings, beyond what each must be by itself. */
export const rules: readonly Rule[] = [
  thereIsADatabase,
  databaseUserIsFree,
  sandboxIsOnePlace,
  redisIsWhole,
  clickHouseIsWhole,
  backendIsWhole,
  bundledHasUsers,
  grafanaIsClosed,
  portsAreDistinct,
  guardedIsSecure,
  proxyIsInFront,
  certificateHasAKey,
  secureHasAPassword,
  namesAreForTheOwnCa,
  drainFitsThePause,
  batchFitsTheQueue,
  poolsFitTheDatabase,
];

/**
 * Whether the stack has a proxy: always in staging and prod, elsewhere where PROXY says so.
 * @param proxy the setting's value
 */
export function hasProxy(environment: string, proxy: string | undefined): boolean {
  return environment === "staging" || environment === "prod" || proxy === "true";
}

/**
 * What settings are where they are unset and others say enough: the names in a bundled
 * ClickHouse, the reader of one outside, and where a bundled Grafana is reached.
 * @param get a setting as the layers have it, "" where it is unset
 */
export function derivedDefaults(
  get: (name: SettingName) => string,
): readonly (readonly [SettingName, string])[] {
  const grafana = [["GRAFANA_URL", `http://127.0.0.1:${get("GRAFANA_PUBLISH_PORT")}`]] as const;
  return [
    ...database(get),
    ...clickHouse(get),
    ...redis(get),
    ...(get("GRAFANA_ENABLED") === "true" ? grafana : []),
  ];
}

/** Connections that the server leaves to the tool, to monitoring and to people. */
const reservedConnections = 10;

/**
 * The bundled database's settings from its memory limit, and the server's connection pools from the
 * connections that the database takes: two servers side by side must fit in. Rules of thumb:
 * https://wiki.postgresql.org/wiki/Tuning_Your_PostgreSQL_Server.
 */
function database(get: (name: SettingName) => string): readonly [SettingName, string][] {
  if (get("LETTA_PG_URI") !== "") return [];
  const megabytes = Math.floor(byteSize(get("POSTGRES_MEMORY")) / 1024 ** 2);
  const between = (least: number, value: number, most: number) =>
    Math.floor(Math.min(Math.max(value, least), most));
  const workers = 2 * Number(get("LETTA_UVICORN_WORKERS") || 1);
  // Pools that a person has sized, and many workers, get the connections they need.
  const [sized, extra] = [get("LETTA_PG_POOL_SIZE"), get("LETTA_PG_MAX_OVERFLOW")];
  const least = Number(sized || 3) + Number(extra || (sized === "" ? 1 : 10));
  const needed = between(100, workers * least + reservedConnections, 500);
  const connections = Number(get("POSTGRES_MAX_CONNECTIONS") || needed);
  const each = Math.max(2, Math.floor((connections - reservedConnections) / workers));
  const overflow = Number(extra) || between(1, sized === "" ? each / 4 : each - Number(sized), 10);
  const inMegabytes = (value: number) => `${value}MB`;
  const maintenance = between(64, megabytes / 8, 2048);
  return [
    ["POSTGRES_MAX_CONNECTIONS", String(connections)],
    ["POSTGRES_SHARED_BUFFERS", inMegabytes(between(16, megabytes / 4, 16_384))],
    ["POSTGRES_EFFECTIVE_CACHE_SIZE", inMegabytes(between(32, (megabytes * 3) / 4, 1 << 20))],
    ["POSTGRES_WORK_MEM", inMegabytes(between(4, megabytes / (2 * connections), 64))],
    ["POSTGRES_MAINTENANCE_WORK_MEM", inMegabytes(maintenance)],
    ["POSTGRES_MAX_WAL_SIZE", inMegabytes(between(1024, megabytes, 8192))],
    ["POSTGRES_SHM_SIZE", `${between(128, maintenance * 1.25, 1 << 20)}m`],
    ["LETTA_DISABLE_SQLALCHEMY_POOLING", "false"],
    ["LETTA_PG_POOL_SIZE", String(between(1, each - overflow, 25))],
    ["LETTA_PG_MAX_OVERFLOW", String(overflow)],
  ];
}

/** The other half is for rewriting its log, what clients are still to read, and fragmentation. */
function redis(get: (name: SettingName) => string): readonly [SettingName, string][] {
  const limit = byteSize(get("REDIS_MEMORY"));
  return limit === 0 ? [] : [["REDIS_MAXMEMORY", `${Math.floor(limit / 2048)}kb`]];
}

function clickHouse(get: (name: SettingName) => string): readonly [SettingName, string][] {
  if (get("CLICKHOUSE_MODE") === "bundled") {
    return [
      ["CLICKHOUSE_ENDPOINT", "http://clickhouse:8123"],
      ["CLICKHOUSE_DATABASE", "otel"],
      ["CLICKHOUSE_USERNAME", "otel_writer"],
      ["CLICKHOUSE_READER_USERNAME", "otel_reader"],
    ];
  }
  if (get("CLICKHOUSE_ENDPOINT") === "") return [];
  return [
    ["CLICKHOUSE_READER_USERNAME", get("CLICKHOUSE_USERNAME")],
    ["CLICKHOUSE_READER_PASSWORD", get("CLICKHOUSE_PASSWORD")],
  ];
}
