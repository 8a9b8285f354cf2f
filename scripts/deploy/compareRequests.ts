/** Requests that began and ended within a stretch of time, as their spans tell of them. */
export interface RequestFigures {
  /** Milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly requests: number;
  readonly errors: number;
  /** Of 100 requests 95 took no longer, in milliseconds; null where there were none. */
  readonly p95Ms: number | null;
}

/** From where on a release counts as worse than the one before it. */
export interface Margins {
  /** Both of them need as many requests to be compared. */
  readonly requests: number;
  /** How many percentage points more may fail. */
  readonly points: number;
  /** How many times as long the p95 may be. */
  readonly factor: number;
}

export interface BakeFacts {
  /** The release before, over as long a time; a text says why nothing could be read. */
  readonly previous: RequestFigures | string;
  /** The new release. */
  readonly present: RequestFigures | string;
  /** What became of a request of our own at the end: its span comes after those of all others. */
  readonly marker: { readonly outcome: "passed" | "failed" | "skipped"; readonly detail: string };
}

/** A worse one is rolled back; one that could not be compared is reported and stays. */
export interface BakeVerdict {
  readonly verdict: "worse" | "fine" | "unjudged";
  readonly why: string;
}

/** Below it no one notices, and a p95 of few milliseconds doubles by chance. */
const leastSlowerMs = 50;

/**
 * Whether a release does worse than the one before it. Too few requests say nothing; a sink that
 * cannot be asked is not the release's fault. A span that does not come from a server which
 * answered is: its telemetry came when it was verified, and does not any more.
 */
export function compareRequests(
  { previous, present, marker }: BakeFacts,
  margins: Margins,
): BakeVerdict {
  for (const one of [present, previous]) {
    if (typeof one === "string") return { verdict: "unjudged", why: one };
  }
  if (marker.outcome === "failed") {
    return { verdict: "worse", why: `no data: ${marker.detail}` };
  }
  const [now, before] = [present as RequestFigures, previous as RequestFigures];
  if (Math.min(now.requests, before.requests) < margins.requests) {
    const why = `${now.requests} requests, before ${before.requests}: expected ${margins.requests} or more of both to compare them`;
    return { verdict: "unjudged", why };
  }
  const points = 100 * (shareOf(now) - shareOf(before));
  const [p95, past] = [now.p95Ms ?? 0, before.p95Ms ?? 0];
  const isSlower = p95 > margins.factor * past && p95 - past > leastSlowerMs;
  const found = [
    ...(points > margins.points ? [`more than ${margins.points} points more requests fail`] : []),
    ...(isSlower ? [`its p95 is more than ${margins.factor} times as long`] : []),
  ];
  const figures = `${figuresText(now)}; before ${figuresText(before)}`;
  return found.length === 0
    ? { verdict: "fine", why: figures }
    : { verdict: "worse", why: `${found.join(" and ")}: ${figures}` };
}

/** "3 of 60 requests failed (5.0 %), p95 120 ms". */
export function figuresText(figures: RequestFigures): string {
  const { requests, errors, p95Ms } = figures;
  if (requests === 0) return "no requests";
  const share = (100 * shareOf(figures)).toFixed(1);
  return `${errors} of ${requests} requests failed (${share} %), p95 ${Math.round(p95Ms ?? 0)} ms`;
}

function shareOf({ requests, errors }: RequestFigures): number {
  return requests === 0 ? 0 : errors / requests;
}
