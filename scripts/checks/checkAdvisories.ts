import { coerce, gte, satisfies, valid } from "semver";
import { type CheckResult, failed, type Finding, passed, skipped } from "./check.ts";

/** Who reaches the parts of a stack, as its rendered form has it. */
export interface Exposure {
  /** Addresses of this host at which each service is published. */
  readonly publishedAt: (service: string) => readonly string[];
  /** Whether hosts of the same network segment reach what is published at 127.0.0.1. */
  readonly segmentReaches: boolean;
  readonly asksForPassword: boolean;
  /** Whether the collector's image is one of docker/collector, with the patches that are there. */
  readonly isQuarantined: boolean;
  /** Types of the components in the collector's configuration. */
  readonly components: readonly string[];
}

/** The services through which a part is reached. */
const clients: Record<AdvisedService, readonly string[]> = {
  collector: ["collector"],
  server: ["server", "proxy"],
  pgvector: ["postgres"],
};

/**
 * One finding for each known fault of a part's version: whether something here keeps it harmless.
 * That is so where the image was built here and patched, where only this host reaches the service,
 * where a request needs the password, or where the component that has the fault is not in use.
 * @param version "" where it is unknown
 * @param next the command to go on with where nothing keeps it harmless
 */
export function checkAdvisories(
  of: AdvisedService,
  version: string,
  exposure: Exposure,
  next: string,
): Finding[] {
  const { known, lookedUp } = advisories;
  const all = `advisories of ${of === "pgvector" ? of : `the ${of}`}`;
  if (valid(version) === null) {
    const what = version === "" ? "its version is not known yet" : `${version} is no version`;
    return [{ name: all, ...skipped(`${what}: nothing to compare with`) }];
  }
  const found = known.filter((one) => one.of === of && satisfies(version, one.affects));
  if (found.length === 0) {
    return [{ name: all, ...passed(`none is known of ${version} (looked up ${lookedUp})`) }];
  }
  return found.map((one) => ({
    name: `${one.id} (${of} ${version})`,
    ...judge(one, version, exposure, next),
  }));
}

function judge(advisory: Advisory, version: string, exposure: Exposure, next: string): CheckResult {
  const { of, description, component, also, affects, source, reachedBy } = advisory;
  const notes = [
    `versions ${affects}: ${source}`,
    ...(also === undefined ? [] : [also]),
    ...(reachedBy === "user" ? ["an authorised user can still do it"] : []),
  ];
  if (component !== undefined && !exposure.components.includes(component)) {
    return passed(`${description}; there is no ${component} in its configuration`, notes);
  }
  if (exposure.isQuarantined && version === advisory.quarantinedAt) {
    return passed(`${description}; patched in the image that is built here`, notes);
  }
  const open = clients[of].flatMap(exposure.publishedAt).filter((host) => !isLoopback(host));
  if (open.length === 0) {
    const published = clients[of].flatMap(exposure.publishedAt).length > 0;
    const far =
      published && exposure.segmentReaches ? "no host beyond its network segment" : "no other host";
    return passed(`${description}; ${far} reaches it`, notes);
  }
  if (of === "server" && exposure.asksForPassword) {
    return passed(`${description}; a request needs the password`, notes);
  }
  const where = open.map((host) => host || "all addresses").join(", ");
  return failed(`${description}; open to other hosts at ${where}`, next, notes);
}

/** A part whose version advisories are about. */
type AdvisedService = "collector" | "server" | "pgvector";

/** A known fault of some versions of a part. */
interface Advisory {
  readonly id: string;
  readonly of: AdvisedService;
  /** The versions that have it, as semver writes ranges. */
  readonly affects: string;
  readonly description: string;
  /** Where that stands. */
  readonly source: string;
  /** Who would have to reach the part: decides what keeps the fault harmless here. */
  readonly reachedBy: "anyone" | "user";
  /** The one component of the collector that has it. */
  readonly component?: string;
  /** The version that docker/collector builds without it. */
  readonly quarantinedAt?: string;
  /** What helps besides closed ports. */
  readonly also?: string;
}

/**
 * What is known of the versions this project is used with. What the sources leave open (Letta's
 * records name one version each) was read in the code of 0.15.1, 0.16.5, 0.16.7 and 0.16.8.
 */
export const advisories: { readonly lookedUp: string; readonly known: readonly Advisory[] } = {
  lookedUp: "2026-11-21",
  known: [
    {
      id: "CVE-2024-36129",
      of: "collector",
      affects: "<0.102.1",
      description: "a small compressed request fills its memory",
      source: "GHSA-c74f-6mfw-mm4v",
      reachedBy: "anyone",
      quarantinedAt: "0.96.0",
      also: "its container's memory is limited, and it is started again",
    },
    {
      id: "CVE-2023-45288",
      of: "collector",
      affects: "<0.98.0",
      description: "endless HTTP/2 headers keep it busy (golang.org/x/net before 0.23.0)",
      source: "GO-2024-2687; go.mod of config/confighttp: 0.22.0 at 0.97.0, 0.24.0 at 0.98.0",
      reachedBy: "anyone",
      quarantinedAt: "0.96.0",
      also: "its container's CPUs are limited",
    },
    {
      id: "CVE-2024-42368",
      of: "collector",
      affects: ">=0.80.0 <0.107.0",
      description: "bearertokenauth lets a token be guessed by the time that an answer takes",
      source: "GHSA-rfxf-mf63-cpqv",
      reachedBy: "anyone",
      component: "bearertokenauth",
    },
    {
      id: "CVE-2024-45043",
      of: "collector",
      affects: ">=0.49.0 <0.108.0",
      description: "awsfirehose takes requests without the key that it is configured to require",
      source: "GHSA-prf6-xjxh-p698",
      reachedBy: "anyone",
      component: "awsfirehose",
    },
    {
      id: "CVE-2026-77936",
      of: "server",
      affects: "<=0.16.8",
      description:
        "its own compose.yaml asks for no password and opens a database with a known one",
      source: "CVE record of VulnCheck",
      reachedBy: "anyone",
      also: "that file is not used here; a bundled database is on loopback at most",
    },
    {
      id: "CVE-2025-51482",
      of: "server",
      affects: ">=0.7.12",
      description: "POST /v1/tools/run runs whatever code it is sent; no release closes it",
      source: "NVD; letta-ai/letta#2630, still open",
      reachedBy: "anyone",
      also: "that code reads the server's environment: every provider key, LETTA_ENCRYPTION_KEY, its database's address with the password. Its container has no capabilities and a read-only root; where the database roles are separated, it reaches the server's own database alone",
    },
    {
      id: "CVE-2026-4964",
      of: "server",
      affects: ">=0.15.1",
      description:
        "a picture's URL in a message makes it ask addresses of its own network (up to 0.16.5 also read its own files)",
      source: "NVD, which names 0.16.4; read in 0.15.1 to 0.16.8",
      reachedBy: "user",
    },
    {
      id: "CVE-2026-4965",
      of: "server",
      affects: ">=0.15.1",
      description: "resolve_type evaluates what it is given (CVE-2025-6101, closed in part)",
      source: "NVD, which names 0.16.4; read in 0.15.1 to 0.16.8",
      reachedBy: "user",
    },
    {
      id: "CVE-2026-3172",
      of: "pgvector",
      affects: ">=0.6.0 <0.8.2",
      description:
        "building an HNSW index in parallel writes past a buffer: a crash, or others' rows",
      source: "CVE record of PostgreSQL; pgvector/pgvector#959",
      reachedBy: "user",
      also: "the server is its database's one user, and Letta makes no index of that kind",
    },
  ],
};

/** moby/moby#45610, fixed in Docker Engine 28.0.0. */
const closedSince = "28.0.0";

const loopback = /^(?:127\.|::1$|localhost$)/;

/** Whether an address is this host's own. */
export function isLoopback(host: string): boolean {
  return loopback.test(host);
}

/**
 * Whether hosts of the same network segment reach what an engine publishes at 127.0.0.1: before 28.0
 * they do, by a route to the container's network through this host.
 * @param engine the engine's version
 */
export function segmentReachesLoopback(engine: string): boolean {
  return !gte(coerce(engine) ?? "0.0.0", closedSince);
}

/**
 * Judges ports that are meant for this host alone. A developer's machine is reported and not judged. Pure.
 * @param engine the engine's version
 * @param ports "service 127.0.0.1:4317" for each
 */
export function diagnoseLoopback(
  engine: string,
  ports: readonly string[],
  isDeployed: boolean,
): CheckResult {
  if (ports.length === 0) return passed("no port is published at 127.0.0.1");
  if (!segmentReachesLoopback(engine)) {
    return passed(`${ports.length} ports at 127.0.0.1: no other host reaches them`);
  }
  const found = `expected engine ${closedSince} or later, got ${engine}: hosts of the same network segment reach what it publishes at 127.0.0.1 (moby/moby#45610)`;
  const next = "https://docs.docker.com/engine/install/";
  const notes = [
    ...ports,
    "until then a firewall has to drop what comes from other hosts for the containers' networks",
  ];
  return isDeployed ? failed(found, next, notes) : skipped(found, next, notes);
}
