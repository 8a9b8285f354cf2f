import { Problem } from "./problem.ts";

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
  if (["EROFS", "ENOSPC", "EACCES", "EPERM", "EIO"].includes(code)) {
    return new Problem("STATE_UNUSABLE", message, {
      next: code === "EIO" ? "dmesg   (its disk is broken)" : "make the directory writable",
      cause: error,
    });
  }
  return undefined;
}
