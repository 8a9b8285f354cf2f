import { failed, passed, type CheckResult } from "./runCheck.ts";

/** A certificate, as a client sees it. */
export interface CertificateSeen {
  readonly names: string;
  readonly issuer: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

const dayMs = 86_400_000;
/** What is left of a certificate of one's own when it is time to see to it. */
const warnMs = 14 * dayMs;
/** Caddy renews when a third of the lifetime is left: with less than this that has failed. */
const warnShare = 1 / 6;

/** Whether the proxy's certificate is valid, and will be until it can be renewed. */
export function checkCertificate(
  { names, issuer, fromMs, untilMs }: CertificateSeen,
  nowMs: number,
  next: string,
): CheckResult {
  const description = `for ${names} by ${issuer}`;
  const until = new Date(untilMs).toISOString().slice(0, 16).replace("T", " ");
  if (nowMs < fromMs) {
    return failed(`${description}: not valid before ${new Date(fromMs).toISOString()}`, next);
  }
  if (nowMs >= untilMs) return failed(`${description}: ran out at ${until} UTC`, next);
  const leftMs = untilMs - nowMs;
  const left = leftMs < 2 * dayMs ? `${hours(leftMs)} hours` : `${Math.floor(leftMs / dayMs)} days`;
  if (leftMs < Math.min(warnMs, (untilMs - fromMs) * warnShare)) {
    return failed(
      `${description}: runs out in ${left}, at ${until} UTC; nothing has renewed it`,
      next,
    );
  }
  return passed(`${description}, valid until ${until} UTC (${left})`);
}

const hours = (ms: number) => (ms / 3_600_000).toFixed(0);
