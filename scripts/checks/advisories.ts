/** A part whose version advisories are about. */
export type AdvisedService = "collector" | "server" | "pgvector";

/** A known fault of some versions of a part. */
export interface Advisory {
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
