import { declare } from "./declare.ts";
import { environmentNames } from "./environmentName.ts";
import { kind } from "./kind.ts";

const required = environmentNames;

/** The stack as a whole: its name, its images, its ports, its sizes and its patience. */
export const stackDeclarations = declare({
  STACK_PROJECT: { about: "name of the Compose project; letta-<env> if unset", ...kind.project },
  STATE_DIR: { about: "where releases, journal and backups are kept", ...kind.directory },
  SECRETS_KEY_FILE: {
    about: "key of sealed secrets; letta-stack/key in ~/.config if unset",
    ...kind.directory,
  },
  IMAGES: {
    about: "pull images, use those built here, or pull and build what cannot be pulled",
    ...kind.oneOf("auto", "pull", "local"),
    required,
  },
  DEBIAN_MIRROR: { about: "Debian mirror for images built here", ...kind.webUrl },

  LETTA_VERSION: { about: "version of the server", ...kind.version, required },
  LETTA_IMAGE: { about: "image of the server", ...kind.versionedImage, required },
  POSTGRES_IMAGE: { about: "image of the bundled database", ...kind.image, required },
  COLLECTOR_IMAGE: { about: "image of the collector", ...kind.versionedImage, required },
  PROBE_IMAGE: { about: "image with a static busybox, for health checks", ...kind.image, required },
  PROXY_IMAGE: { about: "image of the proxy", ...kind.image, required },
  CLICKHOUSE_IMAGE: { about: "image of ClickHouse, where it is bundled", ...kind.image },

  GRAFANA_IMAGE: { about: "image of Grafana, where it is bundled", ...kind.image },

  POSTGRES_PUBLISH_PORT: {
    about: "loopback port of the bundled database",
    ...kind.port,
    required: ["dev", "development"],
  },
  PROXY: {
    about: "whether dev or development has the proxy; staging and prod always have it",
    ...kind.flag,
  },
  PROXY_PUBLISH_HOST: {
    about: "address of this machine that the proxy is reached at",
    ...kind.address,
    required: ["staging", "prod"],
  },
  PROXY_DOMAIN: {
    about: "domain the proxy is reached at; it gets a certificate for it, unless it has one",
    ...kind.hostName,
  },
  PROXY_NAMES: {
    about: "names and addresses that the proxy's own certificate is for, beside localhost",
    ...kind.names,
  },
  PROXY_ACME_EMAIL: {
    about: "address the certificate's authority writes to; it asks at port 443 of PROXY_DOMAIN",
    ...kind.mail,
  },
  PROXY_CERT_FILE: {
    about: "the proxy's own certificate (PEM), with those between it and its authority",
    ...kind.directory,
  },
  PROXY_KEY_FILE: { about: "the key of PROXY_CERT_FILE (PEM)", ...kind.directory },
  PROXY_MAX_BODY: { about: "how large a request may be; 64MB if unset", ...kind.bytes },
  PROXY_HTTPS_PORT: {
    about: "port of this machine that the proxy is reached at",
    ...kind.port,
    required: ["staging", "prod"],
  },

  SERVER_MEMORY: { about: "memory limit of the server", ...kind.bytes, required },
  POSTGRES_MEMORY: { about: "memory limit of the bundled database", ...kind.bytes, required },
  POSTGRES_MAX_CONNECTIONS: {
    about: "how many connections the bundled database takes; 100 if unset",
    ...kind.count,
  },
  POSTGRES_SHARED_BUFFERS: {
    about: "the bundled database's own cache; a quarter of POSTGRES_MEMORY if unset",
    ...kind.databaseBytes,
  },
  POSTGRES_EFFECTIVE_CACHE_SIZE: {
    about: "cache that its planner counts on; three quarters of POSTGRES_MEMORY if unset",
    ...kind.databaseBytes,
  },
  POSTGRES_WORK_MEM: {
    about: "memory of a sort or hash in the bundled database; by POSTGRES_MEMORY if unset",
    ...kind.databaseBytes,
  },
  POSTGRES_MAINTENANCE_WORK_MEM: {
    about:
      "memory of an index build in the bundled database; an eighth of POSTGRES_MEMORY if unset",
    ...kind.databaseBytes,
  },
  POSTGRES_MAX_WAL_SIZE: {
    about: "write-ahead log between two checkpoints; by POSTGRES_MEMORY, 1 to 8 GB, if unset",
    ...kind.databaseBytes,
  },
  POSTGRES_SHM_SIZE: {
    about: "shared memory of parallel work in the bundled database; by POSTGRES_MEMORY if unset",
    ...kind.bytes,
  },
  COLLECTOR_MEMORY: { about: "memory limit of the collector", ...kind.bytes, required },
  PROXY_MEMORY: {
    about: "memory limit of the proxy: a request that it holds takes 60 to 90 KB",
    ...kind.bytes,
    required,
  },
  CLICKHOUSE_MEMORY: { about: "memory limit of the bundled ClickHouse", ...kind.bytes },
  GRAFANA_MEMORY: { about: "memory limit of Grafana", ...kind.bytes },

  DATABASE_WAIT_SECONDS: { about: "patience with the database", ...kind.count, required },
  MIGRATION_WAIT_SECONDS: { about: "patience with migrations", ...kind.count, required },
  COLLECTOR_WAIT_SECONDS: { about: "patience with the collector", ...kind.count, required },
  CUTOVER: {
    about: "auto: the new server beside the old where it can; hold: requests wait; stop: they fail",
    ...kind.oneOf("auto", "hold", "stop"),
  },
  HOLD_MAX: {
    about: "how long the proxy may hold a request while the server is replaced; 120s if unset",
    ...kind.duration,
  },
  DRAIN_MAX: {
    about: "how long requests under way, streams among them, may take to end when the server stops",
    ...kind.duration,
    required,
  },
  BAKE_SECONDS: { about: "how long a deploy watches what it has proven", ...kind.count, required },
  BAKE_GATE: {
    about:
      "whether a deploy that serves worse than the release before is rolled back automatically",
    ...kind.flag,
    required,
  },
  BAKE_GATE_REQUESTS: {
    about: "how many requests each of the two needs to be compared",
    ...kind.count,
    required,
  },
  BAKE_GATE_ERRORS: {
    about: "how many percentage points more of the requests may fail",
    ...kind.percent,
    required,
  },
  BAKE_GATE_SLOWER: {
    about: "how many times as long the p95 of the requests may be",
    ...kind.factor,
    required,
  },
  HOOK_SECONDS: { about: "patience with a hook", ...kind.count, required },
  RELEASES_KEEP: { about: "how many releases can be gone back to", ...kind.count, required },
  BACKUPS_KEEP: { about: "how many backups are kept at least", ...kind.count, required },
  BACKUPS_DAYS: { about: "for how many days backups are kept at least", ...kind.count, required },
  REQUIRE_STAGING: {
    about: "whether prod takes only what staging has proven",
    ...kind.flag,
    required: ["prod"],
  },
  STAGING_PROOF: {
    about: "a proof exported where staging runs, if that is another host",
    ...kind.directory,
  },
  SERVER_WAIT_SECONDS: { about: "patience with the server", ...kind.count, required },
});
