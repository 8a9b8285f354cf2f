/** What can go wrong in a way we foresaw. The list is closed: scripts match on it. */
export type ProblemCode =
  | "USAGE"
  | "SETTINGS_INVALID"
  | "SOURCE_INVALID"
  | "STACK_INVALID"
  | "COLLECTOR_INVALID"
  | "RELEASE_UNKNOWN"
  | "CONFIRMATION_NEEDED"
  | "DECLINED"
  | "HOST_UNSUPPORTED"
  | "ENGINE_UNREACHABLE"
  | "ENGINE_TOO_OLD"
  | "PORT_TAKEN"
  | "FOREIGN_CONTAINERS"
  | "FOREIGN_VOLUMES"
  | "DISK_TOO_SMALL"
  | "STATE_UNUSABLE"
  | "STATE_MISMATCH"
  | "IMAGE_UNAVAILABLE"
  | "BUILD_FAILED"
  | "DATABASE_REFUSED"
  | "REVISION_UNKNOWN"
  | "ROLLBACK_UNSAFE"
  | "REHEARSAL_FAILED"
  | "KEY_CHANGED"
  | "STAGING_UNPROVEN"
  | "HOOK_FAILED"
  | "BACKUP_DAMAGED"
  | "ADOPTION_REFUSED"
  | "STORE_REFUSED"
  | "STATEFUL_RECREATE"
  | "VOLUMES_PROTECTED"
  | "NOTHING_RUNS"
  | "TELEMETRY_UNREADABLE"
  | "LOCKED"
  | "LOCK_LOST"
  | "STEP_FAILED"
  | "PAUSE_ENDED"
  | "ROLLBACK_STOPPED"
  | "UNCHANGED_FAILURES"
  | "ROLLED_BACK"
  | "INTERRUPTED"
  | "DIFFERENCES";

/** The exit codes of the contract, by meaning. */
export const exitCodes = {
  badInput: 2,
  refused: 3,
  failedServingPrevious: 4,
  failedActNow: 5,
  locked: 6,
  differences: 10,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const exitOf: Record<ProblemCode, ExitCode> = {
  USAGE: 2,
  SETTINGS_INVALID: 2,
  SOURCE_INVALID: 2,
  STACK_INVALID: 2,
  COLLECTOR_INVALID: 2,
  RELEASE_UNKNOWN: 2,
  CONFIRMATION_NEEDED: 3,
  DECLINED: 3,
  HOST_UNSUPPORTED: 3,
  ENGINE_UNREACHABLE: 3,
  ENGINE_TOO_OLD: 3,
  PORT_TAKEN: 3,
  FOREIGN_CONTAINERS: 3,
  FOREIGN_VOLUMES: 3,
  DISK_TOO_SMALL: 3,
  STATE_UNUSABLE: 3,
  STATE_MISMATCH: 3,
  IMAGE_UNAVAILABLE: 3,
  BUILD_FAILED: 3,
  DATABASE_REFUSED: 3,
  REVISION_UNKNOWN: 3,
  ROLLBACK_UNSAFE: 3,
  REHEARSAL_FAILED: 3,
  KEY_CHANGED: 3,
  STAGING_UNPROVEN: 3,
  HOOK_FAILED: 3,
  BACKUP_DAMAGED: 3,
  ADOPTION_REFUSED: 3,
  STORE_REFUSED: 3,
  STATEFUL_RECREATE: 3,
  VOLUMES_PROTECTED: 3,
  NOTHING_RUNS: 3,
  TELEMETRY_UNREADABLE: 3,
  LOCKED: 6,
  LOCK_LOST: 5,
  STEP_FAILED: 5,
  PAUSE_ENDED: 5,
  ROLLBACK_STOPPED: 5,
  UNCHANGED_FAILURES: 5,
  ROLLED_BACK: 4,
  INTERRUPTED: 5,
  DIFFERENCES: 10,
};

export interface ProblemParts {
  /** One line each: what was found where, all of it at once. */
  readonly details?: readonly string[];
  /** The command to go on with. */
  readonly next?: string;
  readonly cause?: unknown;
  /** Further keys of the JSON answer. */
  readonly facts?: Readonly<Record<string, unknown>>;
  /** Overrides the code's own exit, where the same failure meant less or more harm. */
  readonly exit?: ExitCode;
}

/** What to do about what an engine or a database says it has run out of, wherever it says so. */
const remedies: readonly (readonly [words: RegExp, next: string])[] = [
  [/no space left on device/i, "docker system df"],
  [/non-overlapping IPv4 address pool/, "docker network ls   (unused ones: docker network rm)"],
];

/** The one class for expected failures: anything else that is thrown is a bug in the tool. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly details: readonly string[];
  readonly next: string | undefined;
  readonly exit: ExitCode;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(code: ProblemCode, message: string, parts: ProblemParts = {}) {
    super(message, parts.cause === undefined ? {} : { cause: parts.cause });
    this.name = "Problem";
    this.code = code;
    this.details = parts.details ?? [];
    this.facts = parts.facts ?? {};
    const reported = [message, ...this.details].join("\n");
    this.next = parts.next ?? remedies.find(([words]) => words.test(reported))?.[1];
    this.exit = parts.exit ?? exitOf[code];
  }
}

interface Foreign {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly statusCode?: number;
}

/**
 * Failures that others throw and that we foresaw, as Problems: Ctrl-C, an engine that went away
 * or refused, a disk that cannot be written.
 * @returns undefined for a bug
 */
export function foreseen(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  const { name, message = "", code = "", syscall, statusCode } = (error ?? {}) as Foreign;
  if (name === "AbortError") {
    return new Problem("INTERRUPTED", "interrupted before anything was changed", {
      exit: 3,
      next: "the same command again",
    });
  }
  if (
    syscall === "connect" ||
    syscall === "getaddrinfo" ||
    /CERT|^ERR_(SSL|TLS)_|^EPROTO$/.test(code)
  ) {
    return new Problem("ENGINE_UNREACHABLE", `expected a Docker engine, got ${message}`, {
      next: "npm run doctor",
      cause: error,
    });
  }
  if (statusCode !== undefined && message.includes("no space left on device")) {
    return new Problem("DISK_TOO_SMALL", `the engine's disk is full: ${message}`, {
      next: "docker system df",
      cause: error,
    });
  }
  if (statusCode !== undefined) {
    return new Problem("STEP_FAILED", `the engine answered ${statusCode}: ${message}`, {
      next: "npm run doctor",
      cause: error,
    });
  }
  // A `git pull` may bring a package that `npm ci` has not installed yet.
  if (code === "ERR_MODULE_NOT_FOUND" && message.startsWith("Cannot find package")) {
    return new Problem("SOURCE_INVALID", `expected the packages of package-lock.json: ${message}`, {
      next: "npm ci",
      cause: error,
    });
  }
  if (["EROFS", "ENOSPC", "EACCES", "EPERM", "EIO"].includes(code)) {
    return new Problem("STATE_UNUSABLE", message, {
      next: code === "EIO" ? "dmesg   (its disk is broken)" : "make the directory writable",
      cause: error,
    });
  }
  return undefined;
}
