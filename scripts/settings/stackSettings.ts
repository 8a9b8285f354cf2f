import { defineSettings, valueType } from "./defineSettings.ts";
import { environmentNames } from "./environmentName.ts";

const required = environmentNames;

/** The stack as a whole: its name, its images, its ports, its sizes and its patience. */
export const stackSettings = defineSettings({
  STACK_PROJECT: {
    scope: "tool",
    description: "name of the Compose project; letta-<env> if unset",
    ...valueType.project,
  },
  STATE_DIR: {
    scope: "tool",
    description: "where releases, journal and backups are stored",
    ...valueType.directory,
  },
  SECRETS_KEY_FILE: {
    scope: "tool",
    description: "key of sealed secrets; letta-stack/key in ~/.config if unset",
    ...valueType.directory,
  },
  IMAGE_SOURCE: {
    scope: "tool",
    description:
      "pull: from registries; local: images built here; auto: pull, and build where no registry answers",
    ...valueType.oneOf("auto", "pull", "local"),
    required,
  },
  DEBIAN_MIRROR: { description: "Debian mirror for images built here", ...valueType.webUrl },

  LETTA_VERSION: {
    image: true,
    description: "version of the server",
    ...valueType.version,
    required,
  },
  LETTA_IMAGE: {
    image: true,
    description: "image of the server",
    ...valueType.versionedImage,
    required,
  },
  POSTGRES_IMAGE: {
    image: true,
    description: "image of the bundled database",
    ...valueType.image,
    required,
  },
  REDIS_IMAGE: { image: true, description: "image of the bundled Redis", ...valueType.image },
  COLLECTOR_IMAGE: {
    image: true,
    description: "image of the collector",
    ...valueType.versionedImage,
    required,
  },
  BUSYBOX_IMAGE: {
    image: true,
    description: "image with a static busybox, for health checks",
    ...valueType.image,
    required,
  },
  PROXY_IMAGE: { image: true, description: "image of the proxy", ...valueType.image, required },
  CLICKHOUSE_IMAGE: {
    image: true,
    description: "image of ClickHouse, where it is bundled",
    ...valueType.image,
  },

  GRAFANA_IMAGE: {
    image: true,
    description: "image of Grafana, where it is bundled",
    ...valueType.image,
  },

  POSTGRES_PUBLISH_PORT: {
    description: "loopback port of the bundled database",
    ...valueType.port,
    required: ["dev", "development"],
  },
  PROXY: {
    description: "whether dev or development has the proxy; staging and prod always have it",
    ...valueType.flag,
  },
  PROXY_PUBLISH_HOST: {
    description: "published address of the proxy",
    ...valueType.address,
    required: ["staging", "prod"],
  },
  PROXY_DOMAIN: {
    description: "domain of the proxy; gets a certificate by ACME unless PROXY_CERT_FILE is set",
    ...valueType.hostName,
  },
  PROXY_NAMES: {
    description: "names and addresses that the proxy's own certificate is for, alongside localhost",
    ...valueType.names,
  },
  PROXY_ACME_EMAIL: {
    description: "ACME contact address; the CA connects to port 443 of PROXY_DOMAIN",
    ...valueType.mail,
  },
  PROXY_CERT_FILE: {
    scope: "tool",
    description: "certificate of the proxy (PEM), with its intermediates",
    ...valueType.directory,
  },
  PROXY_KEY_FILE: {
    scope: "tool",
    description: "private key of PROXY_CERT_FILE (PEM)",
    ...valueType.directory,
  },
  PROXY_MAX_BODY: { description: "how large a request may be; 64MB if unset", ...valueType.bytes },
  PROXY_HTTPS_PORT: {
    description: "published port of the proxy",
    ...valueType.port,
    required: ["staging", "prod"],
  },

  SERVER_MEMORY: { description: "memory limit of the server", ...valueType.bytes, required },
  POSTGRES_MEMORY: {
    description: "memory limit of the bundled database",
    ...valueType.bytes,
    required,
  },
  POSTGRES_MAX_CONNECTIONS: {
    description: "how many connections the bundled database takes; 100 if unset",
    ...valueType.count,
  },
  POSTGRES_SHARED_BUFFERS: {
    description: "the bundled database's own cache; a quarter of POSTGRES_MEMORY if unset",
    ...valueType.databaseBytes,
  },
  POSTGRES_EFFECTIVE_CACHE_SIZE: {
    description: "cache that its planner counts on; three quarters of POSTGRES_MEMORY if unset",
    ...valueType.databaseBytes,
  },
  POSTGRES_WORK_MEM: {
    description: "memory of a sort or hash in the bundled database; by POSTGRES_MEMORY if unset",
    ...valueType.databaseBytes,
  },
  POSTGRES_MAINTENANCE_WORK_MEM: {
    description:
      "memory of an index build in the bundled database; an eighth of POSTGRES_MEMORY if unset",
    ...valueType.databaseBytes,
  },
  POSTGRES_MAX_WAL_SIZE: {
    description: "write-ahead log between two checkpoints; by POSTGRES_MEMORY, 1 to 8 GB, if unset",
    ...valueType.databaseBytes,
  },
  POSTGRES_SHM_SIZE: {
    description:
      "shared memory of parallel work in the bundled database; by POSTGRES_MEMORY if unset",
    ...valueType.bytes,
  },
  REDIS_ENABLED: {
    description:
      "whether Redis is part of the stack; without one, streams in the background answer 503 and two messages of a conversation may be worked on at once",
    ...valueType.flag,
  },
  REDIS_MEMORY: { description: "memory limit of the bundled Redis", ...valueType.bytes },
  REDIS_MAXMEMORY: {
    description:
      "memory of its data, beyond which the longest unused goes; half of REDIS_MEMORY if unset",
    ...valueType.bytes,
  },
  COLLECTOR_MEMORY: { description: "memory limit of the collector", ...valueType.bytes, required },
  PROXY_MEMORY: {
    description: "memory limit of the proxy: a paused request takes 60 to 90 KB",
    ...valueType.bytes,
    required,
  },
  CLICKHOUSE_MEMORY: { description: "memory limit of the bundled ClickHouse", ...valueType.bytes },
  GRAFANA_MEMORY: { description: "memory limit of Grafana", ...valueType.bytes },

  DATABASE_TIMEOUT: {
    scope: "tool",
    description: "how long the database may take to become ready",
    ...valueType.duration,
    required,
  },
  MIGRATION_TIMEOUT: {
    scope: "tool",
    description: "how long migrations may take",
    ...valueType.duration,
    required,
  },
  COLLECTOR_TIMEOUT: {
    scope: "tool",
    description: "how long the collector may take to become healthy",
    ...valueType.duration,
    required,
  },
  DEPLOY_STRATEGY: {
    scope: "tool",
    description: "auto: blue-green where possible; pause: requests wait; recreate: requests fail",
    ...valueType.oneOf("auto", "pause", "recreate"),
  },
  PAUSE_TIMEOUT: {
    description: "how long requests may be paused at the proxy; 120s if unset",
    ...valueType.duration,
  },
  DRAIN_TIMEOUT: {
    description: "how long requests and streams in flight may take when the server stops",
    ...valueType.duration,
    required,
  },
  BAKE_TIME: {
    scope: "tool",
    description: "how long a deploy watches a verified release",
    ...valueType.duration,
    required,
  },
  BAKE_GATE: {
    scope: "tool",
    description:
      "whether a deploy that serves worse than the release before is rolled back automatically",
    ...valueType.flag,
    required,
  },
  BAKE_GATE_REQUESTS: {
    scope: "tool",
    description: "how many requests each side of the comparison needs",
    ...valueType.count,
    required,
  },
  BAKE_GATE_ERRORS: {
    scope: "tool",
    description: "how many more percentage points of requests may fail",
    ...valueType.percent,
    required,
  },
  BAKE_GATE_SLOWER: {
    scope: "tool",
    description: "how many times as long the p95 of the requests may be",
    ...valueType.factor,
    required,
  },
  HOOK_TIMEOUT: {
    scope: "tool",
    description: "how long a hook may run",
    ...valueType.duration,
    required,
  },
  RELEASES_KEEP: {
    scope: "tool",
    description: "how many releases can be rolled back to",
    ...valueType.count,
    required,
  },
  BACKUPS_KEEP: {
    scope: "tool",
    description: "how many backups are retained at least",
    ...valueType.count,
    required,
  },
  BACKUPS_KEEP_FOR: {
    scope: "tool",
    description: "how long backups are retained at least",
    ...valueType.duration,
    required,
  },
  BACKUP_TO: {
    description: "where backups are stored off this machine: s3:…, sftp:… or a path",
    ...valueType.any,
    scope: "tool",
    expected: "s3:https://<host>/<bucket>, sftp:<user>@<host>:<folder> or an absolute path",
  },
  BACKUP_PASSWORD: {
    description: "encrypts backups before they leave this machine; without it none can be read",
    ...valueType.any,
    scope: "tool",
    expected: "a password",
    secret: true,
  },
  BACKUP_S3_KEY_ID: {
    description: "id of the key of BACKUP_TO, where that is S3",
    ...valueType.any,
    scope: "tool",
    expected: "a key's id",
    secret: true,
  },
  BACKUP_S3_KEY: {
    description: "key of BACKUP_TO, where that is S3",
    ...valueType.any,
    scope: "tool",
    expected: "a key",
    secret: true,
  },
  REQUIRE_STAGING: {
    scope: "tool",
    description: "whether prod deploys only images that staging has verified",
    ...valueType.flag,
    required: ["prod"],
  },
  STAGING_VERIFICATION: {
    scope: "tool",
    description: "file with the verification that staging exported on another host",
    ...valueType.directory,
  },
  SERVER_TIMEOUT: {
    scope: "tool",
    description: "how long the server may take to become healthy",
    ...valueType.duration,
    required,
  },
});
