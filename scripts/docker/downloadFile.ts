import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import * as http from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Problem } from "../common/problem.ts";

export interface DownloadOptions {
  /** The most bytes that are taken. */
  readonly limit: number;
  /** Milliseconds without a byte after which it is given up. */
  readonly patienceMs: number;
  /** For HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly report?: (bytes: number, all: number | undefined) => void;
}

export type Downloaded =
  | { readonly outcome: "fetched"; readonly bytes: number; readonly sha256: string }
  /** No answer, or only a refusal. */
  | { readonly outcome: "unreachable" | "missing"; readonly why: string };

const unreachableStatus = [401, 403, 407, 408, 429];

/**
 * Downloads an address into a new file, as it comes: whether it is what was wanted is for the
 * caller to find out by its checksum. A web page is never what was wanted: proxies and log-in
 * pages answer with one in place of a file.
 * @returns unreachable where the address gave nothing, missing where it has no such file
 * @throws Problem IMAGE_UNAVAILABLE where what came is too large, cut off or a web page; what
 *   the signal was aborted with
 */
export async function downloadFile(
  url: string,
  path: string,
  options: DownloadOptions,
): Promise<Downloaded> {
  const giveUp = new AbortController();
  const waiting = setTimeout(() => giveUp.abort(), options.patienceMs);
  const signal = AbortSignal.any([options.signal, giveUp.signal]);
  const noProxy = useProxies(options.environment);
  let bytes = 0;
  try {
    const reply = await fetch(url, { signal, redirect: "follow" }).catch((error: unknown) => {
      options.signal.throwIfAborted();
      return reasonOf(error, giveUp.signal);
    });
    if (typeof reply === "string") return { outcome: "unreachable", why: reply };
    const refused = judge(url, reply);
    if (refused !== undefined) {
      await reply.body?.cancel().catch(() => undefined);
      return refused;
    }
    const announced = Number(reply.headers.get("content-length") ?? Number.NaN);
    const all = Number.isNaN(announced) ? undefined : announced;
    if (all !== undefined && all > options.limit) throw tooLarge(url, options.limit);
    const hash = createHash("sha256");
    const watch = new Transform({
      transform(chunk: Buffer, _, next) {
        waiting.refresh();
        if (bytes === 0 && looksLikePage(chunk)) return next(webPage(url));
        bytes += chunk.length;
        if (bytes > options.limit) return next(tooLarge(url, options.limit));
        hash.update(chunk);
        options.report?.(bytes, all);
        next(null, chunk);
      },
    });
    const body = reply.body ?? new ReadableStream();
    await pipeline(body, watch, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal });
    return { outcome: "fetched", bytes, sha256: hash.digest("hex") };
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof Problem) throw error;
    if (isDiskError(error)) throw error;
    throw unusable(`${url}: cut off after ${bytes} bytes (${reasonOf(error, giveUp.signal)})`);
  } finally {
    clearTimeout(waiting);
    noProxy();
  }
}

/** @returns why this reply is no file; undefined where it may be one */
function judge(url: string, reply: Response): Downloaded | undefined {
  const said = `${url}: ${reply.status} ${reply.statusText}`.trim();
  if (url.startsWith("https:") && !reply.url.startsWith("https:")) {
    throw unusable(`${url}: leads to ${reply.url}, which is not encrypted`);
  }
  if (reply.status === 404 || reply.status === 410) return { outcome: "missing", why: said };
  if (!reply.ok) {
    if (reply.status >= 500 || unreachableStatus.includes(reply.status)) {
      return { outcome: "unreachable", why: said };
    }
    throw unusable(said);
  }
  if (/\bhtml\b/i.test(reply.headers.get("content-type") ?? "")) throw webPage(url);
  return undefined;
}

/** Newer Node can let fetch go through the proxies that the environment names. */
function useProxies(environment: DownloadOptions["environment"]): () => void {
  const { setGlobalProxyFromEnv } = http as {
    setGlobalProxyFromEnv?: (environment: DownloadOptions["environment"]) => () => void;
  };
  return setGlobalProxyFromEnv?.(environment) ?? (() => undefined);
}

function looksLikePage(chunk: Buffer): boolean {
  return /^\s*<(?:!doctype|html|head|body)\b/i.test(chunk.toString("latin1", 0, 256));
}

function isDiskError(error: unknown): boolean {
  return ["ENOSPC", "EROFS", "EACCES", "EIO", "EDQUOT", "EEXIST"].includes(
    (error as NodeJS.ErrnoException).code ?? "",
  );
}

function reasonOf(error: unknown, giveUp: AbortSignal): string {
  if (giveUp.aborted) return "nothing came any more";
  const { cause, message } = error as Error;
  const { code, message: inner } = (cause ?? {}) as NodeJS.ErrnoException;
  return code ?? (inner || message);
}

const next = "npm run doctor, or set OTEL_RELEASE_URL to an address that has the release";

function unusable(message: string): Problem {
  return new Problem("IMAGE_UNAVAILABLE", message, { next });
}

function webPage(url: string): Problem {
  return unusable(`${url}: expected a file, got a web page`);
}

function tooLarge(url: string, limit: number): Problem {
  return unusable(`${url}: expected at most ${limit} bytes, got more`);
}
