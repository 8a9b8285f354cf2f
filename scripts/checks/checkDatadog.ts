import { failed, passed, type CheckResult } from "./runCheck.ts";
import { explainConnection } from "./checkConnection.ts";
import { request, type Reply } from "./request.ts";

/** Where Datadog is asked about a key. */
export interface DatadogAccount {
  readonly site: string;
  /** Another address than the site's; "" where there is none. */
  readonly intake: string;
  readonly key: string;
  /** A certificate (PEM) that is trusted too. */
  readonly caCertificate: string | undefined;
}

/**
 * Whether Datadog answers and knows the key, by the request that its exporter makes at its start
 * (GET /api/v1/validate of Datadog's API).
 */
export async function checkDatadog(account: DatadogAccount, next: string): Promise<CheckResult> {
  const { intake, key, caCertificate } = account;
  const base = intake === "" ? `https://api.${siteOf(account)}` : intake.replace(/\/+$/, "");
  const reply = await request(`${base}/api/v1/validate`, {
    headers: { "dd-api-key": key, connection: "close" },
    elsewhere: { caCertificate },
  }).catch((error: Error) => explainConnection(error));
  if (typeof reply === "string") return failed(`${base}: ${reply}`, next);
  return checkValidation(reply, base, account, next);
}

/** What the answer to /api/v1/validate means. */
export function checkValidation(
  { status, body }: Reply,
  base: string,
  account: DatadogAccount,
  next: string,
): CheckResult {
  if (status === 200 && /"valid"\s*:\s*true/.test(body)) return passed(`${base} knows the key`);
  if (status === 401 || status === 403 || status === 200) {
    const other = account.intake === "" ? `, or its account is not at ${siteOf(account)}` : "";
    return failed(`${base} does not know the key of DD_API_KEY${other} (${status})`, next);
  }
  if (status === 429) return failed(`${base} asks to be asked less (429)`, next);
  return failed(`${base}/api/v1/validate: expected 200, got ${status}`, next);
}

function siteOf({ site }: DatadogAccount): string {
  return site || "datadoghq.com";
}
